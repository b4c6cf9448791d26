# Precompiled headers: what nearly every source parses again, parsed once a configuration.
#
#   mx_rmq_precompile(<target> library|support|tests)
#
# has <target> see the headers of that set first. A set is compiled by a target of its own; whoever takes it from there
# must be compiled with the same options:
#
#   library  the layers, position independent and optimized as the configuration says
#   support  what tests start, simulate and count with: -O1 where the configuration optimizes
#   tests    what only drives the tests: -O0 there and under a sanitizer, which takes half the time
#
# mx_rmq_precompile sets the last two. Sources still include what they use: a build with
# CMAKE_DISABLE_PRECOMPILE_HEADERS, as ./check makes one with clang, shows what is missing.

set(MX_RMQ_PRECOMPILED_library
  <algorithm> <array> <atomic> <chrono> <coroutine> <cstdint> <deque> <exception> <functional> <map> <memory>
  <mutex> <optional> <span> <stdexcept> <stop_token> <string> <string_view> <unordered_map> <utility> <variant>
  <vector> <nlohmann/json.hpp>)
set(MX_RMQ_PRECOMPILED_support
  ${MX_RMQ_PRECOMPILED_library} <filesystem> <fstream> <iostream> <random> <set> <sstream> <thread>
  <gtest/gtest.h>)
set(MX_RMQ_PRECOMPILED_tests ${MX_RMQ_PRECOMPILED_support})

# Options of the set, for the target that compiles it and for those that take it.
function(mx_rmq_precompiled_options target set)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json)
  if(set STREQUAL "library")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    # Whatever a project around this one hides of its own, a shared library shows what programs call.
    target_compile_options(${target} PRIVATE -fvisibility=default -fno-visibility-inlines-hidden)
    return()
  endif()
  target_link_libraries(${target} PRIVATE GTest::gtest)
  # Not all of them are linked with the layer that defines it.
  target_compile_definitions(${target} PRIVATE MX_RMQ_NO_JSON_CHECK_AT_LINK)
  target_compile_definitions(${target} PRIVATE
    $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:MX_RMQ_OPTIMIZED_LIBRARY>)
  string(COMPARE EQUAL "${set}" "tests" drives)
  string(COMPARE NOTEQUAL "${MX_RMQ_SANITIZE}" "" sanitized)
  set(optimizes $<OR:${sanitized},$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>)
  target_compile_options(${target} PRIVATE
    $<$<AND:${optimizes},$<CXX_COMPILER_ID:GNU,Clang>>:-O$<IF:${drives},0,1>>)
endfunction()

function(mx_rmq_precompile target set)
  mx_rmq_precompiled_options(${target} ${set})
  if(CMAKE_DISABLE_PRECOMPILE_HEADERS)
    return()
  endif()
  set(owner mxrmq_precompiled_${set})
  if(NOT TARGET ${owner})
    set(source "${PROJECT_BINARY_DIR}/generated/precompiled_${set}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "// Only the headers before it matter.\n")
    add_library(${owner} OBJECT "${source}")
    mx_rmq_target_defaults(${owner})
    mx_rmq_precompiled_options(${owner} ${set})
    target_precompile_headers(${owner} PRIVATE ${MX_RMQ_PRECOMPILED_${set}})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# The fuzz targets. fuzz/CMakeLists.txt makes libFuzzer programs of them; test_fuzz runs each with what is kept in
# fuzz/corpus/<target>.
set(fuzz_source_dir "${CMAKE_CURRENT_LIST_DIR}")
set(fuzz_targets config json names reply slots)
find_package(Lua51 QUIET)
if(LUA51_FOUND)
  list(APPEND fuzz_targets envelope)
else()
  message(STATUS "Lua 5.1 was not found: the fuzz target envelope is left out")
endif()

# The target's code, its function called `entry`.
function(fuzz_code library target entry)
  set(sources "${fuzz_source_dir}/${target}.cpp")
  if(target STREQUAL "envelope")
    list(APPEND sources "${fuzz_source_dir}/lua_head.cpp")
  endif()
  add_library(${library} OBJECT ${sources})
  mx_rmq_target_defaults(${library})
  target_compile_definitions(${library} PRIVATE
    LLVMFuzzerTestOneInput=${entry} MX_RMQ_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_include_directories(${library} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
  # What it includes names scripts.
  target_include_directories(${library} PRIVATE "${PROJECT_BINARY_DIR}/generated/lua")
  add_dependencies(${library} mxrmq_scripts)
  target_link_libraries(${library} PRIVATE nlohmann_json::nlohmann_json)
  if(target STREQUAL "envelope")
    target_include_directories(${library} SYSTEM PRIVATE "${LUA_INCLUDE_DIR}")
    target_link_libraries(${library} INTERFACE ${LUA_LIBRARIES})
  endif()
endfunction()

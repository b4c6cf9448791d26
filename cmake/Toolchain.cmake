# Compiler settings of this project's own targets: warnings, sanitizers, ccache, a faster linker.
# Nothing here reaches a program that uses the library, except that a sanitized build must be linked
# with its sanitizer.

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(MX_RMQ_CCACHE ccache)
    mark_as_advanced(MX_RMQ_CCACHE)
    if(MX_RMQ_CCACHE)
      # So that it takes precompiled headers, and finds again what another checkout of these sources has compiled.
      set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${MX_RMQ_CCACHE}")
      add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
    endif()
  endif()
  # A linker is used only if this compiler accepts it: clang-16 finds ld.lld-16, g++ does not.
  include(CheckLinkerFlag)
  foreach(linker mold lld)
    if(NOT MX_RMQ_LINKER_FLAG)
      check_linker_flag(CXX "-fuse-ld=${linker}" MX_RMQ_HAS_${linker})
      if(MX_RMQ_HAS_${linker})
        set(MX_RMQ_LINKER_FLAG "-fuse-ld=${linker}")
      endif()
    endif()
  endforeach()
  if(MX_RMQ_LINKER_FLAG)
    add_link_options("${MX_RMQ_LINKER_FLAG}")
  endif()
endif()

function(mx_rmq_sanitize target)
  if(MX_RMQ_SANITIZE)
    set(flags -fsanitize=${MX_RMQ_SANITIZE} -fno-omit-frame-pointer)
    if(MX_RMQ_SANITIZE MATCHES "undefined")
      list(APPEND flags -fno-sanitize-recover=undefined)
    endif()
    target_compile_options(${target} PRIVATE ${flags})
    target_link_options(${target} PUBLIC "$<BUILD_INTERFACE:-fsanitize=${MX_RMQ_SANITIZE}>")
  endif()
endfunction()

# What every target compiled here gets, tests and examples included.
function(mx_rmq_target_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic
    # False alarms of g++ 12: inside coroutine frames, and in std::string when optimizing
    # (GCC bugs 105329, 105651), where a precompiled header makes them count as ours.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-stringop-overflow>
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds>
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-stringop-overread>
    # It takes what a source of a unity build includes for a header.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<OR:$<BOOL:${MX_RMQ_UNITY}>,$<BOOL:${CMAKE_UNITY_BUILD}>>>:-Wno-subobject-linkage>
    $<$<BOOL:${MX_RMQ_WERROR}>:-Werror>)
  mx_rmq_sanitize(${target})
endfunction()

# One program for each <dir>/*.cpp, named after its file, linked with the library. Headers they share are
# in <dir>/support, and what one needs beside the library in <dir>/needs.cmake.
function(mx_rmq_add_programs dir)
  include("${PROJECT_SOURCE_DIR}/${dir}/needs.cmake")
  file(GLOB programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${dir}/*.cpp")
  foreach(file IN LISTS programs)
    get_filename_component(name "${file}" NAME_WE)
    add_executable(${dir}_${name} "${file}")
    set_target_properties(${dir}_${name} PROPERTIES
      OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${dir}")
    mx_rmq_target_defaults(${dir}_${name})
    target_include_directories(${dir}_${name} PRIVATE "${PROJECT_SOURCE_DIR}/${dir}")
    target_link_libraries(${dir}_${name} PRIVATE mx_rmq::mx_rmq)
    example_needs(${name} ${dir}_${name})
    if(missing)
      message(STATUS "${missing} was not found: ${dir}/${name} is left out")
      set_target_properties(${dir}_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
  endforeach()
endfunction()

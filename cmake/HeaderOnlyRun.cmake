# cmake -DSOURCE_DIR=src -DGENERATED_DIR=dir -DLAYERS=a;b -DOUTPUT=mx_rmq/src.hpp -P HeaderOnlyRun.cmake
#
# Makes one header of the whole library: every source of the layers, in their order, with the headers
# of this project that are not public written out where they are included first. It needs nothing but
# the public headers and what the library itself uses.

cmake_minimum_required(VERSION 3.22)

# Where the header that `file` includes as `name` is.
function(find_included result file name)
  get_filename_component(beside "${file}" DIRECTORY)
  foreach(dir "${SOURCE_DIR}" "${GENERATED_DIR}" "${beside}")
    if(EXISTS "${dir}/${name}")
      set(${result} "${dir}/${name}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "${file} includes ${name}, which does not exist")
endfunction()

# Appends the text of `file`, and of what it includes, to the property `text`.
function(append_file file)
  get_property(seen GLOBAL PROPERTY seen)
  if(file IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY seen "${file}")
  file(READ "${file}" rest)
  string(REPLACE "\n#pragma once\n" "\n" rest "\n${rest}")
  set(include "\n#include \"")
  string(LENGTH "${include}" include_length)
  while(TRUE)
    string(FIND "${rest}" "${include}" at)
    if(at EQUAL -1)
      break()
    endif()
    string(SUBSTRING "${rest}" 0 ${at} before)
    math(EXPR at "${at} + ${include_length}")
    string(SUBSTRING "${rest}" ${at} -1 rest)
    string(FIND "${rest}" "\"" end)
    string(SUBSTRING "${rest}" 0 ${end} name)
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    set_property(GLOBAL APPEND_STRING PROPERTY text "${before}\n")
    if(name MATCHES "^mx_rmq/")
      set_property(GLOBAL APPEND_STRING PROPERTY text "#include \"${name}\"")
    else()
      find_included(included "${file}" "${name}")
      append_file("${included}")
    endif()
  endwhile()
  set_property(GLOBAL APPEND_STRING PROPERTY text "${rest}")
endfunction()

set_property(GLOBAL PROPERTY seen "")
set_property(GLOBAL PROPERTY text "")
foreach(layer IN LISTS LAYERS)
  file(GLOB_RECURSE sources "${SOURCE_DIR}/${layer}/*.cpp")
  list(SORT sources)
  foreach(source IN LISTS sources)
    append_file("${source}")
  endforeach()
endforeach()
append_file("${GENERATED_DIR}/mx_rmq_scripts.cpp")
get_property(text GLOBAL PROPERTY text)

file(WRITE "${OUTPUT}.new" "// Made of src/ and lua/ by cmake/HeaderOnlyRun.cmake.
#pragma once

/// The library itself, for programs that do not link it: include this in one source file of the program,
/// and in no other. Link hiredis, libuv and spdlog (with CMake: mx_rmq::header_only). For TLS define
/// MX_RMQ_WITH_TLS and link OpenSSL 3 too (mx_rmq::header_only does, if mx_rmq was built with it). What is
/// declared here and in no other header of mx_rmq may be otherwise in the next version.

// Warnings are for those who work on the library.
#pragma GCC system_header
${text}")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")

# cmake -DSOURCE_DIR=lua -DHEADER=out.hpp -DSOURCE=out.cpp -P EmbedLuaRun.cmake
#
# Turns each SOURCE_DIR/*.lua into a constant mx_rmq::lua::<file name>. The text that is embedded,
# that Redis gets and that its SHA1 is taken of, is the file with
#   - a line `-- @include name` replaced by SOURCE_DIR/include/name.lua, included likewise, each
#     name once a script;
#   - lines dropped that are empty or hold nothing but a comment, in a file without long brackets
#     (`[[`, `[=`), where a line cannot be part of a string.

cmake_minimum_required(VERSION 3.22)

# Appends `file` to the variable `text` of the caller.
macro(append_file file from)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${from}: @include of ${file}, which does not exist")
  endif()
  embed_lines("${file}")
endmacro()

function(embed_lines file)
  file(READ "${file}" rest)
  string(REPLACE "\r\n" "\n" rest "${rest}")
  set(strip TRUE)
  if(rest MATCHES "\\[\\[|\\[=")
    set(strip FALSE)
  endif()
  set(continued FALSE)   # a string may go on after a backslash at the end of a line
  while(NOT rest STREQUAL "")
    string(FIND "${rest}" "\n" end)
    if(end EQUAL -1)
      set(line "${rest}")
      set(rest "")
    else()
      string(SUBSTRING "${rest}" 0 ${end} line)
      math(EXPR end "${end} + 1")
      string(SUBSTRING "${rest}" ${end} -1 rest)
    endif()
    if(line MATCHES "^[ \t]*-- @include[ \t]+([A-Za-z0-9_]+)[ \t]*$")
      set(name "${CMAKE_MATCH_1}")
      if(NOT name IN_LIST included)
        list(APPEND included "${name}")
        append_file("${SOURCE_DIR}/include/${name}.lua" "${file}")
      endif()
    elseif(line MATCHES "^[ \t]*--[ \t]*@include")
      message(FATAL_ERROR "${file}: malformed line '${line}'; it is `-- @include name`")
    elseif(strip AND NOT continued AND line MATCHES "^[ \t]*(--.*)?$")
      # dropped
    else()
      string(APPEND text "${line}\n")
    endif()
    if(line MATCHES "\\\\$")
      set(continued TRUE)
    else()
      set(continued FALSE)
    endif()
  endwhile()
  set(text "${text}" PARENT_SCOPE)
  set(included "${included}" PARENT_SCOPE)
endfunction()

# Sets `literal` to C++ raw string literals for `text`, split at line ends: compilers need not take
# a literal longer than 65,536 bytes.
function(to_literal text)
  set(delimiter "lua")
  while(text MATCHES "\\)${delimiter}\"")
    string(APPEND delimiter "x")
  endwhile()
  set(out "")
  set(part "")
  set(part_size 0)
  while(NOT text STREQUAL "")
    string(FIND "${text}" "\n" end)
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${text}" 0 ${end} line)
    string(SUBSTRING "${text}" ${end} -1 text)
    string(APPEND part "${line}")
    math(EXPR part_size "${part_size} + ${end}")
    if(part_size GREATER 8000 OR text STREQUAL "")
      string(APPEND out "\n    R\"${delimiter}(${part})${delimiter}\"")
      set(part "")
      set(part_size 0)
    endif()
  endwhile()
  set(literal "${out}" PARENT_SCOPE)
endfunction()

file(GLOB scripts "${SOURCE_DIR}/*.lua")
list(SORT scripts)

set(declarations "")
set(definitions "")
set(table "")
set(count 0)
foreach(script IN LISTS scripts)
  get_filename_component(name "${script}" NAME_WE)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "${script}: the name must be a C++ identifier in lower case")
  endif()
  set(text "")
  set(included "")
  embed_lines("${script}")
  if(text STREQUAL "")
    message(FATAL_ERROR "${script}: nothing to embed")
  endif()
  string(SHA1 sha1 "${text}")
  to_literal("${text}")
  string(APPEND declarations "extern const Script ${name};\n")
  string(APPEND definitions "
constexpr char ${name}_source[] =${literal};
constinit const Script ${name}{\"${name}\", \"${sha1}\", {${name}_source, sizeof(${name}_source) - 1}};
")
  string(APPEND table "&${name}, ")
  math(EXPR count "${count} + 1")
endforeach()

file(CONFIGURE OUTPUT "${HEADER}" @ONLY CONTENT [[// Made from lua/*.lua by cmake/EmbedLuaRun.cmake.
#pragma once

#include <span>
#include <string_view>

namespace mx_rmq::lua {

// A script as Redis gets it; sha1 is that of exactly `source`, in lower-case hex.
struct Script {
  std::string_view name;
  std::string_view sha1;
  std::string_view source;
};

@declarations@
// Every script, in the order of their names.
std::span<const Script* const> all() noexcept;

}  // namespace mx_rmq::lua
]])

file(WRITE "${SOURCE}.new" "// Made from lua/*.lua by cmake/EmbedLuaRun.cmake.
#include \"mx_rmq_scripts.hpp\"

#include <array>

namespace mx_rmq::lua {
${definitions}
namespace {
constexpr std::array<const Script*, ${count}> every{${table}};
}  // namespace

std::span<const Script* const> all() noexcept { return every; }

}  // namespace mx_rmq::lua
")
file(RENAME "${SOURCE}.new" "${SOURCE}")
file(TOUCH "${HEADER}")

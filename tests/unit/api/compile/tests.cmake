# What the compiler must say: programs that have to compile, and wrong handlers and times, each of
# which has to be refused by one sentence and nothing else.

set(compile_dir "${CMAKE_CURRENT_LIST_DIR}")
get_target_property(json_includes nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)

set(compile_command ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Werror
  "-I${PROJECT_SOURCE_DIR}/include")
# The system's own directories named again would hide the C library's headers from the C++ ones.
list(REMOVE_ITEM json_includes ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
foreach(dir IN LISTS json_includes)
  list(APPEND compile_command -isystem "${dir}")
endforeach()

add_test(NAME compile.handlers_good COMMAND ${compile_command} "${compile_dir}/handlers_good.cpp")

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND compile_command -ferror-limit=0)
endif()

# A list cannot be passed on as one argument with ; in it.
string(REPLACE ";" "|" joined "${compile_command}")
set(all_bad handlers_bad durations_bad options_bad)
find_path(MX_RMQ_BOOST_ASIO boost/asio.hpp)
if(MX_RMQ_BOOST_ASIO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND all_bad asio_bad)   # Debian's Asio knows no coroutines of clang
endif()
foreach(bad IN LISTS all_bad)
  add_test(NAME compile.${bad}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${joined}" "-DFILE=${compile_dir}/${bad}.cpp"
            -P "${compile_dir}/check_refused.cmake")
endforeach()

list(TRANSFORM all_bad PREPEND compile.)
set_tests_properties(compile.handlers_good ${all_bad} PROPERTIES TIMEOUT 120 LABELS unit)

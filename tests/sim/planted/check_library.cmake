# cmake -DLIBRARY=file -DPLANTED=objects|... -DBUGS=bugs.cpp -P check_library.cmake
#
# Of the hook points nothing is in the library: not a name of theirs, no symbol. The objects that are compiled
# with them have all, so what is looked for can be found.

file(STRINGS "${BUGS}" lines REGEX "^ *[{]\"[a-z_]+\"")
list(TRANSFORM lines REPLACE "^ *[{]\"([a-z_]+)\".*" "\\1" OUTPUT_VARIABLE texts)
list(APPEND texts "7planted")   # the namespace, in a symbol
list(LENGTH texts count)
if(count LESS 2)
  message(FATAL_ERROR "no bug was found in ${BUGS}")
endif()
string(REPLACE "|" ";" objects "${PLANTED}")

foreach(text IN LISTS texts)
  execute_process(COMMAND grep -aqF "${text}" ${objects} RESULT_VARIABLE missing)
  if(missing)
    message(SEND_ERROR "${text} is not in the objects with hook points")
  endif()
  execute_process(COMMAND grep -aqF "${text}" "${LIBRARY}" RESULT_VARIABLE missing)
  if(NOT missing EQUAL 1)
    message(SEND_ERROR "${text} is in the library")
  endif()
endforeach()

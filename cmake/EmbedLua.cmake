# Lua scripts, embedded at build time.
#
#   mx_rmq_embed_lua(<target> SOURCE_DIR <dir> OUTPUT_DIR <dir>)
#
# makes mx_rmq_scripts.hpp and mx_rmq_scripts.cpp from <dir>/*.lua (see EmbedLuaRun.cmake for the
# text they get) and compiles them into <target>. The target mxrmq_scripts makes them alone.

function(mx_rmq_embed_lua target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE_DIR;OUTPUT_DIR" "")
  file(GLOB scripts CONFIGURE_DEPENDS "${arg_SOURCE_DIR}/*.lua")
  file(GLOB includes CONFIGURE_DEPENDS "${arg_SOURCE_DIR}/include/*.lua")
  set(runner "${PROJECT_SOURCE_DIR}/cmake/EmbedLuaRun.cmake")
  set(header "${arg_OUTPUT_DIR}/mx_rmq_scripts.hpp")
  set(source "${arg_OUTPUT_DIR}/mx_rmq_scripts.cpp")

  # The list goes by file: a removed script must be seen too, which no dependency on a file shows.
  list(SORT scripts)
  file(CONFIGURE OUTPUT "${arg_OUTPUT_DIR}/scripts.txt" CONTENT "${scripts};${includes}" @ONLY)
  add_custom_command(
    OUTPUT "${header}" "${source}"
    COMMAND "${CMAKE_COMMAND}"
      "-DSOURCE_DIR=${arg_SOURCE_DIR}" "-DHEADER=${header}" "-DSOURCE=${source}" -P "${runner}"
    DEPENDS ${scripts} ${includes} "${runner}" "${arg_OUTPUT_DIR}/scripts.txt"
    COMMENT "Embedding Lua scripts"
    VERBATIM)
  add_custom_target(mxrmq_scripts DEPENDS "${header}" "${source}")

  target_sources(${target} PRIVATE "${source}" "${header}")
  target_include_directories(${target} PUBLIC "${arg_OUTPUT_DIR}")
  add_dependencies(${target} mxrmq_scripts)
endfunction()

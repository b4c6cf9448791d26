# The library for those who do not want to link one: mx_rmq::header_only, made of the same sources.
# One source file of the program includes mx_rmq/src.hpp, and no other does.

set(src_hpp_dir "${PROJECT_BINARY_DIR}/generated/header_only")
set(src_hpp "${src_hpp_dir}/mx_rmq/src.hpp")
set(generated_lua_dir "${PROJECT_BINARY_DIR}/generated/lua")
set(runner "${PROJECT_SOURCE_DIR}/cmake/HeaderOnlyRun.cmake")
file(GLOB_RECURSE sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/*.cpp" "${PROJECT_SOURCE_DIR}/src/*.hpp" "${PROJECT_SOURCE_DIR}/src/*.ipp")

# The list goes by file: a removed source must be seen too, which no dependency on a file shows.
file(CONFIGURE OUTPUT "${src_hpp_dir}/sources.txt" CONTENT "${sources}" @ONLY)
add_custom_command(
  OUTPUT "${src_hpp}"
  COMMAND "${CMAKE_COMMAND}"
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}/src" "-DGENERATED_DIR=${generated_lua_dir}"
    "-DLAYERS=${MX_RMQ_LAYERS}" "-DOUTPUT=${src_hpp}" -P "${runner}"
  DEPENDS ${sources} "${generated_lua_dir}/mx_rmq_scripts.hpp" "${generated_lua_dir}/mx_rmq_scripts.cpp"
    "${runner}" "${src_hpp_dir}/sources.txt"
  COMMENT "Making mx_rmq/src.hpp"
  VERBATIM)
add_custom_target(mxrmq_src_hpp DEPENDS "${src_hpp}")
add_dependencies(mxrmq_src_hpp mxrmq_scripts)
add_dependencies(mx_rmq mxrmq_src_hpp)   # so that what is to be installed is there

add_library(mx_rmq_header_only INTERFACE)
add_library(mx_rmq::header_only ALIAS mx_rmq_header_only)
set_target_properties(mx_rmq_header_only PROPERTIES EXPORT_NAME header_only)
add_dependencies(mx_rmq_header_only mxrmq_src_hpp)
target_compile_features(mx_rmq_header_only INTERFACE cxx_std_20)
target_include_directories(mx_rmq_header_only INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
  "$<BUILD_INTERFACE:${src_hpp_dir}>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(mx_rmq_header_only INTERFACE
  nlohmann_json::nlohmann_json Threads::Threads spdlog::spdlog mx_rmq::hiredis mx_rmq::libuv)
if(MX_RMQ_HAS_TLS)
  target_compile_definitions(mx_rmq_header_only INTERFACE MX_RMQ_WITH_TLS)
  target_link_libraries(mx_rmq_header_only INTERFACE OpenSSL::SSL)
endif()

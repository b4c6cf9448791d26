# Headers, library, CMake package, pkg-config file, and the Debian package that holds them (cpack).

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mx_rmq")

install(TARGETS mx_rmq
  EXPORT mx_rmqTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/mx_rmq"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp")
install(FILES "${src_hpp}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mx_rmq")
install(TARGETS mx_rmq_header_only EXPORT mx_rmqHeaderOnlyTargets)

# --- CMake package --------------------------------------------------------------------------------
get_target_property(type mx_rmq TYPE)
if(type STREQUAL "STATIC_LIBRARY")
  set(MX_RMQ_IS_STATIC TRUE)
else()
  set(MX_RMQ_IS_STATIC FALSE)
endif()
set(MX_RMQ_OPENSSL "")
if(MX_RMQ_HAS_TLS)
  set(MX_RMQ_OPENSSL "\"OpenSSL 3.0\"")
endif()
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/mx_rmqConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/mx_rmqConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
# As CHANGELOG.md says: until 1.0 a minor version may change the interface.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/mx_rmqConfigVersion.cmake"
  COMPATIBILITY ${compatibility})
install(EXPORT mx_rmqTargets NAMESPACE mx_rmq:: DESTINATION "${package_dir}")
install(EXPORT mx_rmqHeaderOnlyTargets NAMESPACE mx_rmq:: DESTINATION "${package_dir}")
# How the library was compiled, known when the build is generated; see JsonDiagnostics.cmake.
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/package/$<CONFIG>/mx_rmqJson.cmake" CONTENT
"set_property(TARGET mx_rmq::mx_rmq APPEND PROPERTY
  INTERFACE_COMPILE_DEFINITIONS ${MX_RMQ_JSON_DIAGNOSTICS})
")
install(FILES
  "${PROJECT_BINARY_DIR}/mx_rmqConfig.cmake"
  "${PROJECT_BINARY_DIR}/package/$<CONFIG>/mx_rmqJson.cmake"
  "${PROJECT_BINARY_DIR}/mx_rmqConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Findmx_rmq_hiredis.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Findmx_rmq_libuv.cmake"
  DESTINATION "${package_dir}")

# --- pkg-config -----------------------------------------------------------------------------------
# A dependency without a .pc file of its own is named by its -l.
set(MX_RMQ_PC_REQUIRES "")
set(MX_RMQ_PC_LIBS "-pthread")
find_package(PkgConfig QUIET)
set(dependencies hiredis:hiredis libuv:uv spdlog:spdlog)
if(MX_RMQ_HAS_TLS)
  list(APPEND dependencies libssl:ssl libcrypto:crypto)
endif()
foreach(dependency IN LISTS dependencies)
  string(REPLACE ":" ";" dependency "${dependency}")
  list(GET dependency 0 module)
  list(GET dependency 1 library)
  if(PkgConfig_FOUND)
    pkg_check_modules(MX_RMQ_PC_${module} QUIET ${module})
  endif()
  if(MX_RMQ_PC_${module}_FOUND)
    list(APPEND MX_RMQ_PC_REQUIRES ${module})
  else()
    string(PREPEND MX_RMQ_PC_LIBS "-l${library} ")
  endif()
endforeach()
list(JOIN MX_RMQ_PC_REQUIRES ", " MX_RMQ_PC_REQUIRES)

# The file finds its prefix from where it lies, so an installed tree may be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(MX_RMQ_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(MX_RMQ_PC_PREFIX "\${pcfiledir}/${up}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/mx_rmq.pc.in" "${PROJECT_BINARY_DIR}/mx_rmq.pc" @ONLY)
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/package/$<CONFIG>/mx_rmq.pc"
  INPUT "${PROJECT_BINARY_DIR}/mx_rmq.pc")
install(FILES "${PROJECT_BINARY_DIR}/package/$<CONFIG>/mx_rmq.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# --- Debian package -------------------------------------------------------------------------------
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME libmx-rmq-dev)
  set(CPACK_PACKAGE_CONTACT "The mx-rmq maintainers <maintainers@mx-rmq.invalid>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION} (development files)")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "libhiredis-dev, libuv1-dev, libspdlog-dev, nlohmann-json3-dev (>= 3.10)")
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libboost-dev | libasio-dev")   # mx_rmq/asio.hpp
  if(MX_RMQ_HAS_TLS)
    string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", libssl-dev (>= 3)")
  endif()
  set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
  set(CPACK_STRIP_FILES OFF)
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION share/doc/libmx-rmq-dev
    RENAME copyright)
  include(CPack)
endif()

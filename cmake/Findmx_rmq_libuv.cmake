# Finds libuv for mx_rmq and gives one target whatever its packaging: mx_rmq::libuv, to be included as
# <uv.h>.
#
# Tried in this order: a CMake package that defines a target (libuv::uv, libuv::uv_a since 1.45, or
# the older uv, uv_a), pkg-config, a plain search. Sets mx_rmq_libuv_FOUND and mx_rmq_libuv_VERSION
# (read from the header).
#
# Every name in here is this project's own, as in Findmx_rmq_hiredis.cmake.

if(NOT TARGET mx_rmq::libuv)
  if(NOT TARGET libuv::uv AND NOT TARGET libuv::uv_a)
    find_package(libuv CONFIG QUIET)
  endif()
  set(_mx_rmq_libuv_target "")
  foreach(_mx_rmq_name libuv::uv libuv::uv_a uv uv_a)
    if(TARGET ${_mx_rmq_name} AND NOT _mx_rmq_libuv_target)
      set(_mx_rmq_libuv_target ${_mx_rmq_name})
    endif()
  endforeach()

  if(_mx_rmq_libuv_target)
    get_target_property(_mx_rmq_libuv_includes
      ${_mx_rmq_libuv_target} INTERFACE_INCLUDE_DIRECTORIES)
    find_path(MX_RMQ_LIBUV_INCLUDE_DIR uv.h HINTS ${_mx_rmq_libuv_includes})
    set(MX_RMQ_LIBUV_LIBRARY ${_mx_rmq_libuv_target})
    unset(_mx_rmq_libuv_includes)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(MX_RMQ_PC_LIBUV QUIET libuv)
    endif()
    find_path(MX_RMQ_LIBUV_INCLUDE_DIR uv.h
      HINTS ${MX_RMQ_PC_LIBUV_INCLUDEDIR} ${MX_RMQ_PC_LIBUV_INCLUDE_DIRS} ${Libuv_ROOT} ${libuv_ROOT}
      PATH_SUFFIXES include)
    find_library(MX_RMQ_LIBUV_LIBRARY NAMES uv libuv
      HINTS ${MX_RMQ_PC_LIBUV_LIBDIR} ${MX_RMQ_PC_LIBUV_LIBRARY_DIRS} ${Libuv_ROOT} ${libuv_ROOT}
      PATH_SUFFIXES lib)
  endif()
  mark_as_advanced(MX_RMQ_LIBUV_INCLUDE_DIR MX_RMQ_LIBUV_LIBRARY)
endif()

set(mx_rmq_libuv_VERSION "")
if(MX_RMQ_LIBUV_INCLUDE_DIR AND EXISTS "${MX_RMQ_LIBUV_INCLUDE_DIR}/uv/version.h")
  foreach(_mx_rmq_part MAJOR MINOR PATCH)
    file(STRINGS "${MX_RMQ_LIBUV_INCLUDE_DIR}/uv/version.h" _mx_rmq_line
      REGEX "^#define[ \t]+UV_VERSION_${_mx_rmq_part}[ \t]+[0-9]+")
    string(REGEX MATCH "[0-9]+$" _mx_rmq_number "${_mx_rmq_line}")
    string(APPEND mx_rmq_libuv_VERSION "${_mx_rmq_number}.")
  endforeach()
  string(REGEX REPLACE "\\.$" "" mx_rmq_libuv_VERSION "${mx_rmq_libuv_VERSION}")
  unset(_mx_rmq_line)
  unset(_mx_rmq_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(mx_rmq_libuv
  REQUIRED_VARS MX_RMQ_LIBUV_LIBRARY MX_RMQ_LIBUV_INCLUDE_DIR
  VERSION_VAR mx_rmq_libuv_VERSION
  REASON_FAILURE_MESSAGE "install libuv1-dev")

if(mx_rmq_libuv_FOUND AND NOT TARGET mx_rmq::libuv)
  if(_mx_rmq_libuv_target)
    add_library(mx_rmq::libuv INTERFACE IMPORTED)
    set_target_properties(mx_rmq::libuv PROPERTIES
      INTERFACE_LINK_LIBRARIES ${_mx_rmq_libuv_target})
  else()
    add_library(mx_rmq::libuv UNKNOWN IMPORTED)
    set_target_properties(mx_rmq::libuv PROPERTIES IMPORTED_LOCATION "${MX_RMQ_LIBUV_LIBRARY}")
  endif()
  set_target_properties(mx_rmq::libuv PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${MX_RMQ_LIBUV_INCLUDE_DIR}")
endif()
unset(_mx_rmq_libuv_target)

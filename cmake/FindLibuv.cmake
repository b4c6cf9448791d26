# Finds libuv and gives one target whatever its packaging: Libuv::Libuv, to be included as <uv.h>.
#
# Tried in this order: a CMake package that defines a target (libuv::uv, libuv::uv_a since 1.45, or
# the older uv, uv_a), pkg-config, a plain search. Sets Libuv_FOUND and Libuv_VERSION (read from the
# header).

if(NOT TARGET Libuv::Libuv)
  if(NOT TARGET libuv::uv AND NOT TARGET libuv::uv_a)
    find_package(libuv CONFIG QUIET)
  endif()
  set(_libuv_target "")
  foreach(_libuv_name libuv::uv libuv::uv_a uv uv_a)
    if(TARGET ${_libuv_name} AND NOT _libuv_target)
      set(_libuv_target ${_libuv_name})
    endif()
  endforeach()

  if(_libuv_target)
    get_target_property(_libuv_includes ${_libuv_target} INTERFACE_INCLUDE_DIRECTORIES)
    find_path(Libuv_INCLUDE_DIR uv.h HINTS ${_libuv_includes})
    set(Libuv_LIBRARY ${_libuv_target})
    unset(_libuv_includes)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(PC_LIBUV QUIET libuv)
    endif()
    find_path(Libuv_INCLUDE_DIR uv.h HINTS ${PC_LIBUV_INCLUDEDIR} ${PC_LIBUV_INCLUDE_DIRS})
    find_library(Libuv_LIBRARY NAMES uv libuv HINTS ${PC_LIBUV_LIBDIR} ${PC_LIBUV_LIBRARY_DIRS})
  endif()
  mark_as_advanced(Libuv_INCLUDE_DIR Libuv_LIBRARY)
endif()

if(Libuv_INCLUDE_DIR AND EXISTS "${Libuv_INCLUDE_DIR}/uv/version.h")
  set(Libuv_VERSION "")
  foreach(_libuv_part MAJOR MINOR PATCH)
    file(STRINGS "${Libuv_INCLUDE_DIR}/uv/version.h" _libuv_line
      REGEX "^#define[ \t]+UV_VERSION_${_libuv_part}[ \t]+[0-9]+")
    string(REGEX MATCH "[0-9]+$" _libuv_number "${_libuv_line}")
    string(APPEND Libuv_VERSION "${_libuv_number}.")
  endforeach()
  string(REGEX REPLACE "\\.$" "" Libuv_VERSION "${Libuv_VERSION}")
  unset(_libuv_line)
  unset(_libuv_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libuv
  REQUIRED_VARS Libuv_LIBRARY Libuv_INCLUDE_DIR
  VERSION_VAR Libuv_VERSION
  REASON_FAILURE_MESSAGE "install libuv1-dev")

if(Libuv_FOUND AND NOT TARGET Libuv::Libuv)
  if(_libuv_target)
    add_library(Libuv::Libuv INTERFACE IMPORTED)
    set_target_properties(Libuv::Libuv PROPERTIES INTERFACE_LINK_LIBRARIES ${_libuv_target})
  else()
    add_library(Libuv::Libuv UNKNOWN IMPORTED)
    set_target_properties(Libuv::Libuv PROPERTIES
      IMPORTED_LOCATION "${Libuv_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${Libuv_INCLUDE_DIR}")
  endif()
endif()
unset(_libuv_target)

# Finds hiredis 0.14 or 1.x and gives one target whatever its packaging: Hiredis::Hiredis, to be
# included as <hiredis/hiredis.h>.
#
# Tried in this order: a CMake package that defines the target hiredis::hiredis (1.0 and later built
# with CMake), pkg-config, a plain search. Debian's HiredisConfig.cmake defines no target, so it is
# no help. Sets Hiredis_FOUND and Hiredis_VERSION (read from the header).

if(NOT TARGET Hiredis::Hiredis)
  if(NOT TARGET hiredis::hiredis)
    find_package(hiredis CONFIG QUIET)
  endif()

  if(TARGET hiredis::hiredis)
    get_target_property(_hiredis_includes hiredis::hiredis INTERFACE_INCLUDE_DIRECTORIES)
    find_path(Hiredis_INCLUDE_DIR hiredis/hiredis.h HINTS ${_hiredis_includes})
    set(Hiredis_LIBRARY hiredis::hiredis)
    unset(_hiredis_includes)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(PC_HIREDIS QUIET hiredis)
    endif()
    find_path(Hiredis_INCLUDE_DIR hiredis/hiredis.h
      HINTS ${PC_HIREDIS_INCLUDEDIR} ${PC_HIREDIS_INCLUDE_DIRS})
    find_library(Hiredis_LIBRARY hiredis
      HINTS ${PC_HIREDIS_LIBDIR} ${PC_HIREDIS_LIBRARY_DIRS})
  endif()
  mark_as_advanced(Hiredis_INCLUDE_DIR Hiredis_LIBRARY)
endif()

if(Hiredis_INCLUDE_DIR AND EXISTS "${Hiredis_INCLUDE_DIR}/hiredis/hiredis.h")
  set(Hiredis_VERSION "")
  foreach(_hiredis_part MAJOR MINOR PATCH)
    file(STRINGS "${Hiredis_INCLUDE_DIR}/hiredis/hiredis.h" _hiredis_line
      REGEX "^#define[ \t]+HIREDIS_${_hiredis_part}[ \t]+[0-9]+")
    string(REGEX MATCH "[0-9]+$" _hiredis_number "${_hiredis_line}")
    string(APPEND Hiredis_VERSION "${_hiredis_number}.")
  endforeach()
  string(REGEX REPLACE "\\.$" "" Hiredis_VERSION "${Hiredis_VERSION}")
  unset(_hiredis_line)
  unset(_hiredis_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Hiredis
  REQUIRED_VARS Hiredis_LIBRARY Hiredis_INCLUDE_DIR
  VERSION_VAR Hiredis_VERSION
  REASON_FAILURE_MESSAGE "install libhiredis-dev")

if(Hiredis_FOUND AND NOT TARGET Hiredis::Hiredis)
  if(TARGET hiredis::hiredis)
    add_library(Hiredis::Hiredis INTERFACE IMPORTED)
    set_target_properties(Hiredis::Hiredis PROPERTIES INTERFACE_LINK_LIBRARIES hiredis::hiredis)
  else()
    add_library(Hiredis::Hiredis UNKNOWN IMPORTED)
    set_target_properties(Hiredis::Hiredis PROPERTIES
      IMPORTED_LOCATION "${Hiredis_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${Hiredis_INCLUDE_DIR}")
  endif()
endif()

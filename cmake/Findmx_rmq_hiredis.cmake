# Finds hiredis 0.14 or 1.x for mx_rmq and gives one target whatever its packaging: mx_rmq::hiredis, to
# be included as <hiredis/hiredis.h>.
#
# Tried in this order: a CMake package that defines the target hiredis::hiredis (1.0 and later built
# with CMake), pkg-config, a plain search. Debian's HiredisConfig.cmake defines no target, so it is
# no help. Sets mx_rmq_hiredis_FOUND and mx_rmq_hiredis_VERSION (read from the header).
#
# Every name in here is this project's own: others have a FindHiredis too, which must neither be taken
# for this one nor find its variables and targets set.

if(NOT TARGET mx_rmq::hiredis)
  if(NOT TARGET hiredis::hiredis)
    find_package(hiredis CONFIG QUIET)
  endif()

  if(TARGET hiredis::hiredis)
    get_target_property(_mx_rmq_hiredis_includes hiredis::hiredis INTERFACE_INCLUDE_DIRECTORIES)
    find_path(MX_RMQ_HIREDIS_INCLUDE_DIR hiredis/hiredis.h HINTS ${_mx_rmq_hiredis_includes})
    set(MX_RMQ_HIREDIS_LIBRARY hiredis::hiredis)
    unset(_mx_rmq_hiredis_includes)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(MX_RMQ_PC_HIREDIS QUIET hiredis)
    endif()
    find_path(MX_RMQ_HIREDIS_INCLUDE_DIR hiredis/hiredis.h
      HINTS ${MX_RMQ_PC_HIREDIS_INCLUDEDIR} ${MX_RMQ_PC_HIREDIS_INCLUDE_DIRS}
        ${Hiredis_ROOT} ${hiredis_ROOT}
      PATH_SUFFIXES include)
    find_library(MX_RMQ_HIREDIS_LIBRARY hiredis
      HINTS ${MX_RMQ_PC_HIREDIS_LIBDIR} ${MX_RMQ_PC_HIREDIS_LIBRARY_DIRS}
        ${Hiredis_ROOT} ${hiredis_ROOT}
      PATH_SUFFIXES lib)
  endif()
  mark_as_advanced(MX_RMQ_HIREDIS_INCLUDE_DIR MX_RMQ_HIREDIS_LIBRARY)
endif()

set(mx_rmq_hiredis_VERSION "")
if(MX_RMQ_HIREDIS_INCLUDE_DIR AND EXISTS "${MX_RMQ_HIREDIS_INCLUDE_DIR}/hiredis/hiredis.h")
  foreach(_mx_rmq_part MAJOR MINOR PATCH)
    file(STRINGS "${MX_RMQ_HIREDIS_INCLUDE_DIR}/hiredis/hiredis.h" _mx_rmq_line
      REGEX "^#define[ \t]+HIREDIS_${_mx_rmq_part}[ \t]+[0-9]+")
    string(REGEX MATCH "[0-9]+$" _mx_rmq_number "${_mx_rmq_line}")
    string(APPEND mx_rmq_hiredis_VERSION "${_mx_rmq_number}.")
  endforeach()
  string(REGEX REPLACE "\\.$" "" mx_rmq_hiredis_VERSION "${mx_rmq_hiredis_VERSION}")
  unset(_mx_rmq_line)
  unset(_mx_rmq_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(mx_rmq_hiredis
  REQUIRED_VARS MX_RMQ_HIREDIS_LIBRARY MX_RMQ_HIREDIS_INCLUDE_DIR
  VERSION_VAR mx_rmq_hiredis_VERSION
  REASON_FAILURE_MESSAGE "install libhiredis-dev")

if(mx_rmq_hiredis_FOUND AND NOT TARGET mx_rmq::hiredis)
  if(TARGET hiredis::hiredis)
    add_library(mx_rmq::hiredis INTERFACE IMPORTED)
    set_target_properties(mx_rmq::hiredis PROPERTIES INTERFACE_LINK_LIBRARIES hiredis::hiredis)
  else()
    add_library(mx_rmq::hiredis UNKNOWN IMPORTED)
    set_target_properties(mx_rmq::hiredis PROPERTIES IMPORTED_LOCATION "${MX_RMQ_HIREDIS_LIBRARY}")
  endif()
  set_target_properties(mx_rmq::hiredis PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${MX_RMQ_HIREDIS_INCLUDE_DIR}")
endif()

# What the library uses. nlohmann_json is part of its interface, the others are not.
#
# An imported target is known only in the directory that looked for it, and a static mx_rmq needs its
# private dependencies when a program is linked. So under add_subdirectory they are made global.

macro(mx_rmq_find_dependency target)
  if(TARGET ${target})
    set(_mx_rmq_was_there TRUE)
  else()
    set(_mx_rmq_was_there FALSE)
    find_package(${ARGN})
  endif()
  if(NOT _mx_rmq_was_there AND NOT PROJECT_IS_TOP_LEVEL)
    mx_rmq_make_global(${target})
  endif()
endmacro()

# Makes an imported target of this directory, and those it links with, known everywhere. One that
# another directory looked for stays as it is: CMake lets only that directory promote it.
function(mx_rmq_make_global target)
  get_directory_property(ours IMPORTED_TARGETS)
  get_target_property(global ${target} IMPORTED_GLOBAL)
  if(global OR NOT target IN_LIST ours)
    return()
  endif()
  set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(TARGET "${link}")
      mx_rmq_make_global("${link}")
    endif()
  endforeach()
endfunction()

# A package's own files are preferred to a find module of the project around this one.
set(_mx_rmq_prefer_config "${CMAKE_FIND_PACKAGE_PREFER_CONFIG}")
set(CMAKE_FIND_PACKAGE_PREFER_CONFIG TRUE)
mx_rmq_find_dependency(Threads::Threads Threads REQUIRED)
mx_rmq_find_dependency(nlohmann_json::nlohmann_json nlohmann_json 3.10 REQUIRED)
mx_rmq_find_dependency(spdlog::spdlog spdlog 1.9 REQUIRED)
mx_rmq_find_dependency(mx_rmq::hiredis mx_rmq_hiredis 0.14 REQUIRED)
mx_rmq_find_dependency(mx_rmq::libuv mx_rmq_libuv 1.40 REQUIRED)

# A part that may be left out: URLs that ask for TLS are refused then.
set(MX_RMQ_TLS AUTO CACHE STRING "TLS (rediss://) by OpenSSL 3: AUTO (if it is found), ON or OFF")
set_property(CACHE MX_RMQ_TLS PROPERTY STRINGS AUTO ON OFF)
set(MX_RMQ_HAS_TLS FALSE)
if(MX_RMQ_TLS STREQUAL "AUTO")
  mx_rmq_find_dependency(OpenSSL::SSL OpenSSL 3.0)
elseif(MX_RMQ_TLS)
  mx_rmq_find_dependency(OpenSSL::SSL OpenSSL 3.0 REQUIRED)
endif()
if(MX_RMQ_TLS AND TARGET OpenSSL::SSL)
  set(MX_RMQ_HAS_TLS TRUE)
endif()

# The command line, only where this project is the one that is built. Nothing of it is in the library.
set(MX_RMQ_TOOLS AUTO CACHE STRING "The program mxrmq, by CLI11: AUTO (if that is found), ON or OFF")
set_property(CACHE MX_RMQ_TOOLS PROPERTY STRINGS AUTO ON OFF)
set(MX_RMQ_HAS_TOOLS FALSE)
if(MX_RMQ_TOOLS STREQUAL "AUTO" AND PROJECT_IS_TOP_LEVEL)
  find_package(CLI11 2.1 QUIET)
elseif(MX_RMQ_TOOLS AND NOT MX_RMQ_TOOLS STREQUAL "AUTO")
  find_package(CLI11 2.1 REQUIRED)
endif()
if(MX_RMQ_TOOLS AND TARGET CLI11::CLI11)
  set(MX_RMQ_HAS_TOOLS TRUE)
endif()
set(CMAKE_FIND_PACKAGE_PREFER_CONFIG "${_mx_rmq_prefer_config}")

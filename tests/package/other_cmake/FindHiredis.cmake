# Somebody else's: of no use to mx_rmq, whose own must be found, and must not touch the names in here.
if(TARGET Hiredis::Hiredis OR DEFINED CACHE{Hiredis_LIBRARY} OR DEFINED CACHE{Hiredis_INCLUDE_DIR})
  message(FATAL_ERROR "FindHiredis: another project has taken its names")
endif()
add_library(Hiredis::Hiredis INTERFACE IMPORTED)
set(Hiredis_FOUND TRUE)
set(Hiredis_IS_OURS TRUE)

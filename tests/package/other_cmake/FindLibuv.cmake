# Somebody else's: of no use to mx_rmq, whose own must be found, and must not touch the names in here.
if(TARGET Libuv::Libuv OR DEFINED CACHE{Libuv_LIBRARY} OR DEFINED CACHE{Libuv_INCLUDE_DIR})
  message(FATAL_ERROR "FindLibuv: another project has taken its names")
endif()
add_library(Libuv::Libuv INTERFACE IMPORTED)
set(Libuv_FOUND TRUE)
set(Libuv_IS_OURS TRUE)

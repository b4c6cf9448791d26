# After mx_rmq was found or added: the modules here are still those that this project gets.
foreach(package Hiredis Libuv)
  find_package(${package} REQUIRED)
  if(NOT ${package}_IS_OURS)
    message(FATAL_ERROR "find_package(${package}) is another project's now")
  endif()
endforeach()

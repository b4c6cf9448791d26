# example_needs(<name> <target>): links what the example of that name needs beside the library. Where it is not
# there, `missing` is set to its name.
function(example_needs name target)
  set(missing "" PARENT_SCOPE)
  if(name STREQUAL "host_loop")
    if(TARGET mx_rmq::libuv)
      target_link_libraries(${target} PRIVATE mx_rmq::libuv)
    else()
      set(missing "libuv" PARENT_SCOPE)
    endif()
  endif()
endfunction()

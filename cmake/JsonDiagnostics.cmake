# Whether the library is compiled with JSON_DIAGNOSTICS, which makes nlohmann::json another type. A
# program that differs cannot be linked with it; told of this, a public header says so
# (include/mx_rmq/detail/json_settings.hpp). The macro may come from flags, from a directory around this
# one or from nlohmann_json's own target, so it is known when the build is generated:
# MX_RMQ_JSON_DIAGNOSTICS is a generator expression for `MX_RMQ_JSON_DIAGNOSTICS=0` or `=1`.

set(signs "")
foreach(sign JSON_DIAGNOSTICS JSON_DIAGNOSTICS=1)
  string(APPEND signs ",$<IN_LIST:${sign},$<TARGET_PROPERTY:mxrmq_api,COMPILE_DEFINITIONS>>"
    ",$<IN_LIST:-D${sign},$<TARGET_PROPERTY:mxrmq_api,COMPILE_OPTIONS>>")
endforeach()
set(flag "(^| )-D *JSON_DIAGNOSTICS(=1)?( |$)")
if(CMAKE_CXX_FLAGS MATCHES "${flag}")
  string(APPEND signs ",1")
endif()
foreach(config IN LISTS CMAKE_BUILD_TYPE CMAKE_CONFIGURATION_TYPES)
  string(TOUPPER "${config}" upper)
  if("${CMAKE_CXX_FLAGS_${upper}}" MATCHES "${flag}")
    string(APPEND signs ",$<CONFIG:${config}>")
  endif()
endforeach()
set(MX_RMQ_JSON_DIAGNOSTICS "MX_RMQ_JSON_DIAGNOSTICS=$<OR:0${signs}>")

target_compile_definitions(mx_rmq INTERFACE "$<BUILD_INTERFACE:${MX_RMQ_JSON_DIAGNOSTICS}>")

# Somebody else's: finds nothing, where a package's own file does.
set(nlohmann_json_FOUND FALSE)

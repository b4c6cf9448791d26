# Somebody else's: finds nothing, where a package's own file does.
set(spdlog_FOUND FALSE)

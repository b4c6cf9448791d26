// How long each call of a script took, by the server's slow log.
#pragma once

#include <string_view>
#include <vector>

#include "plain.hpp"

namespace bench {

struct ScriptCall {
  double micros = 0;
  long arguments = 0;  // of the command, EVALSHA included
};

// Has the server log every command; what it had logged before is dropped.
void log_scripts(Plain& redis);
// The calls of the script with that SHA1 since then, as many as the log keeps; logs no more.
std::vector<ScriptCall> logged_calls(Plain& redis, std::string_view sha1);
void stop_logging_scripts(Plain& redis);

}  // namespace bench

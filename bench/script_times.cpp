#include "script_times.hpp"

#include <hiredis/hiredis.h>

#include <cstdlib>
#include <string>

namespace bench {
namespace {

std::string_view text(const redisReply* reply) {
  if (reply->str == nullptr) return {};
  return {reply->str, reply->len};
}

// An entry shows 32 arguments at most; the last then says how many more there were.
long count_arguments(const redisReply* arguments) {
  const auto shown = static_cast<long>(arguments->elements);
  if (shown == 0) return 0;
  const std::string last(text(arguments->element[shown - 1]));
  constexpr std::string_view more = "... (";
  if (!last.starts_with(more)) return shown;
  return shown - 1 + std::atol(last.c_str() + more.size());
}

}  // namespace

void log_scripts(Plain& redis) {
  redis.command({"CONFIG", "SET", "slowlog-max-len", "100000"});
  redis.command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  redis.command({"SLOWLOG", "RESET"});
}

std::vector<ScriptCall> logged_calls(Plain& redis, std::string_view sha1) {
  const Reply log = redis.command({"SLOWLOG", "GET", "100000"});
  std::vector<ScriptCall> out;
  for (std::size_t i = 0; i < log->elements; ++i) {
    const redisReply* const entry = log->element[i];
    if (entry->elements < 4) continue;
    const redisReply* const arguments = entry->element[3];
    if (arguments->elements < 2 || text(arguments->element[1]) != sha1) continue;
    out.push_back({static_cast<double>(entry->element[2]->integer), count_arguments(arguments)});
  }
  return out;
}

void stop_logging_scripts(Plain& redis) {
  redis.command({"CONFIG", "SET", "slowlog-log-slower-than", "-1"});
  redis.command({"SLOWLOG", "RESET"});
}

}  // namespace bench

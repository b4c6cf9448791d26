#include "queue/redis_memory.hpp"

#include <charconv>
#include <cstdint>
#include <set>
#include <utility>

#include "broker/data/keys.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/topology/client.hpp"
#include "redis/wire/command.hpp"

namespace mx_rmq::queue {
namespace {

// The number behind `name:` at the beginning of a line.
std::optional<std::int64_t> field(std::string_view info, std::string_view name) {
  for (std::size_t at = 0; at < info.size();) {
    const std::size_t end = std::min(info.find('\n', at), info.size());
    const std::string_view line = info.substr(at, end - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      std::int64_t value = 0;
      const char* const begin = line.data() + name.size() + 1;
      const auto result = std::from_chars(begin, line.data() + line.size(), value);
      if (result.ec == std::errc{}) return value;
      return std::nullopt;
    }
    at = end + 1;
  }
  return std::nullopt;
}

bool fuller(const RedisMemory& a, const RedisMemory& b) {
  if (a.most > 0 && b.most > 0)
    return static_cast<double>(a.used) / static_cast<double>(a.most) >
           static_cast<double>(b.used) / static_cast<double>(b.most);
  if (a.most != b.most) return a.most > 0;  // one that has a limit comes first
  return a.used > b.used;
}

}  // namespace

std::optional<RedisMemory> parse_memory(std::string_view info) {
  const auto used = field(info, "used_memory");
  if (!used) return std::nullopt;
  return RedisMemory{*used, field(info, "maxmemory").value_or(0)};
}

Task<std::optional<RedisMemory>> fullest_memory(Access* access, std::vector<std::string> topics) {
  redis::Client& client = *access->client();
  const auto deadline = client.loop().now() + runtime::Duration(access->config().command_timeout);
  std::vector<std::string> tags{broker::topics_key(access->config().queue_prefix)};
  for (std::string& topic : topics) tags.push_back(std::move(topic));
  std::set<const redis::ServerClock*> asked;  // a node has one
  std::optional<RedisMemory> fullest;
  for (const std::string& tag : tags) {
    redis::Route& route = client.route(redis::LaneRole::manage, tag);
    if (asked.contains(&route.clock())) continue;
    redis::Command info = redis::Command::of("INFO", "memory");
    redis::Reply reply = co_await route.send(std::move(info), deadline);
    asked.insert(&route.clock());  // now it is surely known which
    if (reply.kind() != redis::Reply::Kind::string) continue;
    const auto memory = parse_memory(reply.as_string());
    if (memory && (!fullest || fuller(*memory, *fullest))) fullest = memory;
  }
  co_return fullest;
}

}  // namespace mx_rmq::queue

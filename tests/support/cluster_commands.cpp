#include "support/cluster_commands.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace mx_rmq::test {
namespace {

using Arguments = std::vector<std::string>;

constexpr std::array<std::string_view, 11> without_key{"CLIENT", "CONFIG", "DBSIZE", "FLUSHALL",
                                                       "INFO",   "KEYS",   "MEMORY", "PING",
                                                       "SCRIPT", "TIME",   "SLOWLOG"};

// Which key it names first; none: nullptr.
const std::string* key_of_command(const Arguments& arguments) {
  const std::string& name = arguments.at(0);
  if (std::ranges::find(without_key, name) != without_key.end()) return nullptr;
  if (name == "EVAL" || name == "EVALSHA") {
    return arguments.at(2) == "0" ? nullptr : &arguments.at(3);
  }
  return &arguments.at(1);
}

void add(Value& sum, const Value& next, bool texts) {
  if (sum.is_error()) return;
  if (next.is_error()) {
    sum = next;
  } else if (sum.kind == Value::Kind::integer && next.kind == Value::Kind::integer) {
    sum.integer += next.integer;
  } else if (sum.kind == Value::Kind::array && next.kind == Value::Kind::array) {
    sum.elements.insert(sum.elements.end(), next.elements.begin(), next.elements.end());
  } else if (texts) {
    sum.text += next.text;
  }
}

}  // namespace

ClusterCommands::ClusterCommands(RedisCluster& cluster)
    : cluster_(cluster), clients_(cluster.masters()) {}

Value ClusterCommands::operator()(const Arguments& arguments) {
  const std::lock_guard lock(mutex_);
  const std::string* const key = key_of_command(arguments);
  return key == nullptr ? ask_all(arguments) : ask(cluster_.first_owner(*key), arguments);
}

Value ClusterCommands::ask(std::size_t master, const Arguments& arguments) {
  std::optional<RedisClient>& client = clients_.at(master);
  // One that a test has cut is found out before the command is sent.
  if (client && !client->alive()) client.reset();
  if (!client) client = cluster_.node(master).connect();
  try {
    return client->try_command(arguments);
  } catch (...) {
    client.reset();
    throw;
  }
}

Value ClusterCommands::ask_all(const Arguments& arguments) {
  const bool texts = arguments[0] == "INFO" || arguments[0] == "CLIENT";
  Value sum = ask(0, arguments);
  for (std::size_t i = 1; i < clients_.size(); ++i) add(sum, ask(i, arguments), texts);
  return sum;
}

}  // namespace mx_rmq::test

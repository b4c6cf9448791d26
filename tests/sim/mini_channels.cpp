#include "mini_redis.hpp"

namespace mx_rmq::sim {
namespace {

std::int64_t listeners(const MiniRedis& redis, const std::string& channel) {
  const auto& ask = redis.channels().listeners;
  return ask ? ask(channel) : 0;
}

Value publish(MiniRedis& redis, const Arguments& command) {
  const auto& tell = redis.channels().publish;
  return integer(tell ? tell(command[1], command[2]) : 0);
}

Value pubsub(MiniRedis& redis, const Arguments& command) {
  const std::string what = upper(command[1]);
  if (what != "NUMSUB" && what != "SHARDNUMSUB") {
    throw CommandError("ERR unknown subcommand '" + command[1] + "'. Try PUBSUB HELP.");
  }
  std::vector<Value> out;
  for (std::size_t i = 2; i < command.size(); ++i) {
    out.push_back(bulk(command[i]));
    out.push_back(integer(listeners(redis, command[i])));
  }
  return array(std::move(out));
}

}  // namespace

void add_channel_commands(CommandTable& table) {
  table["PUBLISH"] = {publish, 3};
  table["SPUBLISH"] = {publish, 3};
  table["PUBSUB"] = {pubsub, -2};
}

}  // namespace mx_rmq::sim

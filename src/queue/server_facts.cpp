#include "queue/server_facts.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "broker/scripts/script_caller.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/topology/cluster/cluster_slots.hpp"
#include "redis/topology/cluster/slot.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/info.hpp"

namespace mx_rmq::queue {

namespace {

using broker::ScriptCaller;
using detail::QueueCore;
using runtime::TimePoint;

// A hash tag between these slots; they are few for a new node only.
std::string tag_between(int first, int last) {
  for (int i = 0;; ++i) {
    const std::string tag = "node" + std::to_string(i);
    const int slot = redis::slot_of(tag);
    if (slot >= first && slot <= last) return tag;
  }
}

std::chrono::microseconds now_here() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

Task<std::string> ask_info(ScriptCaller caller, TimePoint deadline) {
  redis::Command info = redis::Command::of("INFO");
  redis::Reply reply = co_await caller.plain(std::move(info), deadline);
  co_return reply.take_string();
}

// Zero if the difference is less than what the question took.
Task<std::chrono::milliseconds> ask_clock(ScriptCaller caller, TimePoint deadline) {
  redis::Command time = redis::Command::of("TIME");
  const std::chrono::microseconds before = now_here();
  redis::Reply reply = co_await caller.plain(std::move(time), deadline);
  const std::chrono::microseconds after = now_here();
  const std::chrono::microseconds there(std::stoll(reply.at(0).take_string()) * 1'000'000 +
                                        std::stoll(reply.at(1).take_string()));
  std::chrono::microseconds ahead(0);
  if (there > after) ahead = there - after;
  if (there < before) ahead = there - before;
  co_return std::chrono::duration_cast<std::chrono::milliseconds>(ahead);
}

Task<std::string> ask_config(ScriptCaller caller, std::string name, TimePoint deadline) {
  redis::Command get = redis::Command::of("CONFIG", "GET", name);
  redis::Reply reply = co_await caller.plain(std::move(get), deadline);
  co_return reply.as_array().size() == 2 ? reply.at(1).take_string() : std::string();
}

Task<ServerFacts> ask_server(ScriptCaller caller, std::string name, TimePoint deadline) {
  ServerFacts facts;
  facts.name = std::move(name);
  try {
    std::string info = co_await ask_info(caller, deadline);
    facts.info = std::move(info);
    const std::chrono::milliseconds ahead = co_await ask_clock(caller, deadline);
    facts.clock_ahead = ahead;
  } catch (const Error& error) {
    facts.trouble = error.what();
    co_return facts;
  }
  try {
    for (const char* const each : {"appendfsync", "save", "timeout"}) {
      std::string value = co_await ask_config(caller, each, deadline);
      facts.config[each] = std::move(value);
    }
  } catch (const ServerError&) {
    // The right to it is not needed.
  }
  co_return facts;
}

// Of each master, the first of its slots.
Task<std::vector<redis::SlotRange>> ask_masters(ScriptCaller caller, TimePoint deadline) {
  redis::Command slots = redis::Command::of("CLUSTER", "SLOTS");
  const redis::Reply reply = co_await caller.plain(std::move(slots), deadline);
  std::vector<redis::SlotRange> masters;
  for (redis::SlotRange& range : redis::read_cluster_slots(reply, {})) {
    const bool known = std::ranges::any_of(
        masters, [&range](const auto& each) { return each.master == range.master; });
    if (!known) masters.push_back(std::move(range));
  }
  co_return masters;
}

}  // namespace

Task<std::vector<ServerFacts>> ask_servers(std::shared_ptr<QueueCore> core) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  redis::Client& client = *core->access().client();
  const runtime::Duration patience(core->config().command_timeout);
  const ScriptCaller any(client.route(redis::LaneRole::manage, "node0"));
  std::vector<ServerFacts> servers;
  ServerFacts first = co_await ask_server(any, "", core->loop().now() + patience);
  if (redis::info_field(first.info, "cluster_enabled") != "1") {
    servers.push_back(std::move(first));
    co_return servers;
  }
  const auto masters = co_await ask_masters(any, core->loop().now() + patience);
  for (const redis::SlotRange& each : masters) {
    const std::string tag = tag_between(each.first, each.last);
    const ScriptCaller caller(client.route(redis::LaneRole::manage, tag));
    std::string name = each.master ? each.master->text() : "an unknown master";
    ServerFacts facts = co_await ask_server(caller, std::move(name), core->loop().now() + patience);
    servers.push_back(std::move(facts));
  }
  co_return servers;
}

}  // namespace mx_rmq::queue

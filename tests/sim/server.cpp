#include "server.hpp"

#include <algorithm>
#include <vector>

#include "node.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

namespace {

// Server time at the beginning; far from any client's clock.
constexpr std::int64_t epoch_us = 1'750'000'000'000'000;

std::string text_of(const Value& value) {
  std::string out;
  append_reply(out, value);
  return out;
}

}  // namespace

Server::Server(Simulation& world, LuaHost& lua)
    : world_(world),
      redis_(lua, [this] { return now_us(); },
             {[this](const std::string& channel, const std::string& payload) {
                return publish(channel, payload);
              },
              [this](const std::string& channel) {
                return std::ranges::count_if(connections_, [&](const auto& each) {
                  return each.second.channels.contains(channel);
                });
              }}),
      watcher_(world.books(), world.scheduler(), redis_) {}

std::int64_t Server::now_us() const {
  const Duration now = world_.scheduler().now().time_since_epoch() + offset_;
  return epoch_us + std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// --- connections ---

void Server::accept(const std::shared_ptr<Link>& link) { connections_[link->id()].link = link; }

void Server::drop(Link& link) {
  if (world_.scheduler().now() < paused_until_) {
    inbox_.push_back({link.shared_from_this(), {}, true});
    return;
  }
  connections_.erase(link.id());
}

void Server::feed(const std::shared_ptr<Link>& link, std::string bytes) {
  if (world_.scheduler().now() < paused_until_) {
    inbox_.push_back({link, std::move(bytes), false});
    return;
  }
  const auto found = connections_.find(link->id());
  if (found == connections_.end()) return;
  found->second.reader.feed(bytes);
  serve(found->second);
}

void Server::serve(Connection& connection) {
  const std::uint64_t id = connection.link->id();
  for (;;) {
    const auto command = connection.reader.next();
    if (!command) return;
    execute(connection, *command);
    if (!connections_.contains(id)) return;
  }
}

void Server::execute(Connection& connection, const Arguments& command) {
  ++commands_;
  const int node = connection.link->node().index();
  if (command[0].ends_with("SUBSCRIBE")) {
    listen(connection, command);
    return;
  }
  if (command[0] == "CLIENT") {
    connection.link->reply(text_of(client_command(connection, command)));
    return;
  }
  watcher_.before(command, now_us() / 1000, world_.strict());
  const Value reply = redis_.run(command);
  watcher_.after(command, reply, node);
  world_.trace(node, command, &reply);
  if (reply.is_error()) world_.books().saw("error " + reply.text.substr(0, reply.text.find(' ')));
  const std::string_view script = watcher_.script_of(command);
  heed(command, script);
  if (!script.empty()) world_.script_ran(connection.link->node(), script);
  if (connection.swallow && !script.empty()) {
    world_.books().saw("swallowed " + std::string(script));
    world_.tell("the reply is swallowed, the connection breaks");
    connection.link->cut(world_.some_delay(), std::nullopt);
    return;
  }
  connection.link->reply(text_of(reply));
}

Value Server::client_command(Connection& connection, const Arguments& command) {
  const std::string what = command.size() > 1 ? upper(command[1]) : "";
  if (what == "ID") return integer(static_cast<std::int64_t>(connection.link->id()));
  if (what == "SETNAME") return status("OK");
  return error("ERR unknown subcommand");
}

// --- channels ---

// SUBSCRIBE, UNSUBSCRIBE and the same for sharded channels: one reply a channel.
void Server::listen(Connection& connection, const Arguments& command) {
  const bool sharded = command[0].starts_with('S') && command[0] != "SUBSCRIBE";
  const bool leaves = command[0].find("UNSUBSCRIBE") != std::string::npos;
  std::string kind = leaves ? "unsubscribe" : "subscribe";
  if (sharded) kind.insert(0, 1, 's');
  Arguments channels(command.begin() + 1, command.end());
  if (channels.empty()) channels.assign(connection.channels.begin(), connection.channels.end());
  for (const std::string& channel : channels) {
    if (leaves) {
      connection.channels.erase(channel);
    } else {
      connection.channels.insert(channel);
    }
    const auto left = static_cast<std::int64_t>(connection.channels.size());
    connection.link->reply(text_of(array({bulk(kind), bulk(channel), integer(left)})));
  }
}

std::int64_t Server::publish(const std::string& channel, const std::string& payload) {
  std::int64_t heard = 0;
  const std::string text = text_of(array({bulk("message"), bulk(channel), bulk(payload)}));
  for (auto& [id, connection] : connections_) {
    if (!connection.channels.contains(channel)) continue;
    connection.link->reply(text);
    if (payload.starts_with('w')) woken_.emplace(channel, world_.scheduler().now());
    ++heard;
  }
  return heard;
}

// What a consumer does about its wake-ups.
void Server::heed(const Arguments& command, std::string_view script) {
  const bool claims = script == "claim";
  if (!claims && script != "pass" && script != "unlist" && script != "leave") return;
  const std::string& key = command.at(3);
  const std::size_t keys = std::stoul(command.at(2));
  const std::string& consumer = command.at(3 + keys + (claims ? 1 : 0));
  woken_.erase(key.substr(0, key.find("}:") + 2) + "to:" + consumer.substr(0, consumer.rfind('.')));
}

std::string Server::unheeded(Duration longest) const {
  for (const auto& [channel, since] : woken_) {
    const bool listened = std::ranges::any_of(connections_, [&channel = channel](const auto& each) {
      return each.second.channels.contains(channel) && each.second.link->node().consumes();
    });
    if (listened && world_.scheduler().now() - since > longest) return channel;
  }
  return {};
}

// --- faults ---

void Server::crash() {
  up_ = false;
  inbox_.clear();
  const auto all = std::move(connections_);
  connections_.clear();
  for (const auto& [id, each] : all) each.link->cut(world_.some_delay(), std::nullopt);
  redis_.forget_scripts();
}

void Server::keep_snapshot() { snapshot_ = redis_.keys(); }

bool Server::fall_back(bool some) {
  if (!snapshot_) return false;
  if (!some) {
    redis_.keys() = *snapshot_;
    watcher_.rolled_back();
    return true;
  }
  std::set<std::string> tags;
  for (const std::string& tag : watcher_.tags()) {
    if (world_.random().chance(50)) tags.insert(tag);
  }
  if (tags.empty()) return true;
  const auto falls = [&](std::string_view key) {
    return std::ranges::any_of(tags, [&](const std::string& tag) {
      return key.find("{" + tag + "}") != std::string_view::npos;
    });
  };
  std::erase_if(redis_.keys(), [&](const auto& each) { return falls(each.first); });
  for (const auto& [key, entry] : *snapshot_) {
    if (falls(key)) redis_.keys().insert_or_assign(key, entry);
  }
  watcher_.rolled_back(tags);
  world_.books().saw("failover of some partitions");
  return true;
}

void Server::set_clock(Duration by) {
  offset_ += by;
  watcher_.new_epoch();
}

void Server::pause(TimePoint until) {
  if (until <= paused_until_) return;
  paused_until_ = until;
  world_.scheduler().at(until, [this] { resume(); });
}

void Server::resume() {
  if (world_.scheduler().now() < paused_until_) return;
  std::deque<Input> came = std::move(inbox_);
  inbox_.clear();
  for (Input& each : came) {
    if (each.end) {
      drop(*each.link);
    } else {
      feed(each.link, std::move(each.bytes));
    }
  }
}

void Server::swallow_next(Link& link) {
  const auto found = connections_.find(link.id());
  if (found != connections_.end()) found->second.swallow = true;
}

}  // namespace mx_rmq::sim

#include "server.hpp"

#include <charconv>
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
      redis_(lua, [this] { return now_us(); }),
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
  while (!connection.blocked) {
    const auto command = connection.reader.next();
    if (!command) return;
    execute(connection, *command);
    if (!connections_.contains(id)) return;
  }
}

void Server::execute(Connection& connection, const Arguments& command) {
  ++commands_;
  const int node = connection.link->node().index();
  if (command[0] == "BZPOPMIN") {
    const auto reply = redis_.run(command);
    world_.trace(node, command, reply ? &*reply : nullptr);
    if (!reply) return block(connection, command);
    connection.link->reply(text_of(*reply));
    return;
  }
  if (command[0] == "CLIENT") {
    connection.link->reply(text_of(client_command(connection, command)));
    return;
  }
  watcher_.before(command, now_us() / 1000, world_.strict());
  const Value reply = redis_.run(command).value();
  watcher_.after(command, reply, node);
  world_.trace(node, command, &reply);
  if (reply.is_error()) world_.books().saw("error " + reply.text.substr(0, reply.text.find(' ')));
  serve_blocked();
  const std::string_view script = watcher_.script_of(command);
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
  if (what != "UNBLOCK" || command.size() < 3) return error("ERR unknown subcommand");
  std::uint64_t id = 0;
  std::from_chars(command[2].data(), command[2].data() + command[2].size(), id);
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.blocked) return integer(0);
  unblock(id, std::string(nil_array));
  return integer(1);
}

// --- blocking ---

void Server::block(Connection& connection, const Arguments& command) {
  const std::uint64_t id = connection.link->id();
  const std::uint64_t number = ++blocks_;
  connection.blocked = command;
  connection.block = number;
  waiting_.emplace(number, id);
  std::int64_t seconds = 0;
  const std::string& timeout = command.back();
  std::from_chars(timeout.data(), timeout.data() + timeout.size(), seconds);
  if (seconds == 0) return;
  world_.scheduler().after(std::chrono::seconds(seconds), [this, id, number] {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.block != number) return;
    if (found->second.blocked) unblock(id, std::string(nil_array));
  });
}

void Server::unblock(std::uint64_t id, std::string reply) {
  Connection& connection = connections_.at(id);
  connection.blocked.reset();
  connection.link->reply(std::move(reply));
  // What was sent behind it goes on, not inside what woke it.
  world_.scheduler().after(Duration(0), [this, id] {
    const auto found = connections_.find(id);
    if (found != connections_.end()) serve(found->second);
  });
}

// Who has waited longest is served first.
void Server::serve_blocked() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto found = connections_.find(at->second);
    const bool waits = found != connections_.end() && found->second.block == at->first &&
                       found->second.blocked.has_value();
    if (!waits) {
      at = waiting_.erase(at);
      continue;
    }
    const auto reply = redis_.run(*found->second.blocked);
    if (!reply) {
      ++at;
      continue;
    }
    world_.trace(found->second.link->node().index(), *found->second.blocked, &*reply);
    at = waiting_.erase(at);
    unblock(found->first, text_of(*reply));
  }
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

bool Server::fall_back() {
  if (!snapshot_) return false;
  redis_.keys() = *snapshot_;
  watcher_.rolled_back();
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

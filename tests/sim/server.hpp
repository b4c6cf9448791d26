// The server's side of the connections: set-up, pipelines, channels, and what a server does when it
// goes wrong.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "link.hpp"
#include "lua_host.hpp"
#include "mini_redis.hpp"
#include "resp.hpp"
#include "watcher.hpp"

namespace mx_rmq::sim {

class Server {
 public:
  Server(Simulation& world, LuaHost& lua);

  // --- the network's calls ---
  bool accepts() const noexcept { return up_; }
  void accept(const std::shared_ptr<Link>& link);
  void feed(const std::shared_ptr<Link>& link, std::string bytes);
  void drop(Link& link);

  // --- faults ---
  void crash();  // connections end, scripts are forgotten, data stays
  void start() { up_ = true; }
  void keep_snapshot();
  // What was done since the snapshot is gone; under some hash tags only, as if the others were at
  // other servers, if `some` is set. False: there is none.
  bool fall_back(bool some);
  void flush_scripts() { redis_.forget_scripts(); }
  void set_clock(Duration by);
  void pause(TimePoint until);
  // The next reply to a script on this connection never arrives; the connection breaks instead.
  void swallow_next(Link& link);

  // Somebody who was woken so long ago and has neither claimed since, nor passed it on, nor left;
  // empty if there is none.
  std::string unheeded(Duration longest) const;

  std::int64_t now_us() const;
  MiniRedis& redis() noexcept { return redis_; }
  Watcher& watcher() noexcept { return watcher_; }
  std::uint64_t commands() const noexcept { return commands_; }

 private:
  struct Connection {
    std::shared_ptr<Link> link;
    RequestReader reader;
    std::set<std::string> channels;  // that it listens to
    bool swallow = false;
  };

  void serve(Connection& connection);
  void execute(Connection& connection, const Arguments& command);
  void listen(Connection& connection, const Arguments& command);
  std::int64_t publish(const std::string& channel, const std::string& payload);
  void heed(const Arguments& command, std::string_view script);
  Value client_command(Connection& connection, const Arguments& command);
  void resume();

  Simulation& world_;
  MiniRedis redis_;
  Watcher watcher_;
  bool up_ = true;
  Duration offset_{};  // of its clock
  TimePoint paused_until_{};
  struct Input {
    std::shared_ptr<Link> link;
    std::string bytes;
    bool end;
  };
  std::deque<Input> inbox_;  // what came while it stood still
  std::map<std::uint64_t, Connection> connections_;
  std::uint64_t commands_ = 0;
  std::map<std::string, TimePoint> woken_;  // channel -> since when nothing came of it
  std::optional<Keyspace> snapshot_;
};

}  // namespace mx_rmq::sim

// A private server with the scripts on it, and the model beside it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model.hpp"
#include "script_text.hpp"
#include "support/build_kind.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {

// Runs operations on a real server with the time they name. One thread.
class ScriptServer {
 public:
  // How those who are idle are told: over plain channels, or over those of a Cluster.
  enum class Channels : std::uint8_t { plain, sharded };

  explicit ScriptServer(RedisOptions options = {}, Channels channels = Channels::plain);

  RedisClient& client() { return client_; }
  RedisServer& server() { return server_; }
  // Replaces the loaded scripts.
  void load(const std::optional<Mutation>& mutation = {});
  // After a restart of the server.
  void reconnect();
  // The reply, errors too; `fail_at` > 0 makes that call inside the script fail.
  Value run(const ScriptOp& op, int fail_at = 0);
  State state();
  // Nobody listens any more, either.
  void flush();
  // What was heard since the last flush: topic -> "<alias> <payload>", in order.
  const std::map<std::string, std::vector<std::string>>& heard();

 private:
  RedisServer server_;
  const bool sharded_;
  RedisClient client_;
  std::string dump_sha_;
  std::optional<LoadedScripts> scripts_;
  RedisClient listener_;
  std::set<std::string> channels_;
  std::map<std::string, std::vector<std::string>> heard_;

  void listen(bool on, const std::string& channel);
  // Up to a reply of this kind.
  void hear_until(const std::string& kind);
};

// What differs between two states, for messages; empty if nothing does.
std::string difference(const State& server, const State& model);

// Where each message is, by the mark `#<serial>#` that tests put into every message: serial ->
// keys.
std::map<std::string, std::vector<std::string>> places(const State& state);
std::string mark_of(const std::string& bytes);  // the last mark in it, or ""

}  // namespace mx_rmq::test

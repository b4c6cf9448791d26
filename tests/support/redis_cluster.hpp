// A Redis Cluster of a test's own: private servers that know each other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {

struct ClusterOptions {
  std::size_t masters = 3;
  std::size_t replicas = 0;  // of each master
  std::size_t spare = 0;     // nodes that know the others and serve nothing
  bool full_coverage = false;
  std::chrono::milliseconds node_timeout = std::chrono::milliseconds(1500);
  RedisOptions node = {};  // of each
};

// Nodes are numbered: masters first, then the replicas of each in turn, then the spare ones. They
// serve equal parts of the slots at first. Everything that fails throws std::runtime_error.
class RedisCluster {
 public:
  explicit RedisCluster(ClusterOptions options = {});
  RedisCluster(const RedisCluster&) = delete;
  RedisCluster& operator=(const RedisCluster&) = delete;

  // For MQConfig::redis_url: redis+cluster:// with every node, or redis:// with one of them; with
  // RedisOptions::tls rediss.
  std::string url() const;
  std::string node_url(std::size_t node) const { return nodes_.at(node)->tcp_url(); }

  std::size_t size() const noexcept { return nodes_.size(); }
  // Of nodes that serve slots at first: numbers 0 to this.
  std::size_t masters() const noexcept { return options_.masters; }
  RedisServer& node(std::size_t number) { return *nodes_.at(number); }
  // As the node's own; who asks for an owner meanwhile passes it over. Of one thread.
  void kill9(std::size_t node);
  void restart(std::size_t node);
  // At another port, of which the others hear from it.
  void restart_elsewhere(std::size_t node);
  void pause(std::size_t node);
  void resume(std::size_t node);
  // All of them go on, or are back.
  void heal();
  bool is_up(std::size_t node) const { return up_.at(node)->load(); }

  // The node that was given the slot of `key` at first. Any thread.
  std::size_t first_owner(const std::string& key) const;
  // The node that serves the slot of `key` now, by its own word. Any thread.
  std::size_t owner(const std::string& key);
  static int slot(const std::string& key);
  // A topic in a slot that `node` serves now, made of `stem` and a number.
  std::string topic_on(std::size_t node, const std::string& stem);

  // At whatever node serves the slot of `key` now.
  Value command(const std::string& key, const std::vector<std::string>& arguments);

  // Moving a slot, step by step: both ends are told, keys go over, everybody is told.
  void begin_move(int slot, std::size_t from, std::size_t to);
  // The keys of the slot, at most so many; how many went.
  std::size_t move_keys(int slot, std::size_t from, std::size_t to, std::size_t most);
  void end_move(int slot, std::size_t to);
  // All of them.
  void move_slot(int slot, std::size_t from, std::size_t to);

  // A replica takes over from its master in good order. The other masters do not vote twice about
  // one master within two node timeouts: it waits for that.
  void fail_over_to(std::size_t replica);

  // Until every node that runs says that all is well and that so many masters have slots.
  void wait_until_ok(std::chrono::milliseconds timeout = std::chrono::seconds(20));
  std::string id(std::size_t node);

 private:
  void introduce();
  void give_slots();
  void attach_replicas();
  bool is_ok();

  const ClusterOptions options_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
  std::vector<std::unique_ptr<std::atomic<bool>>> up_;
  WaitClock::time_point next_failover_{};
};

}  // namespace mx_rmq::test

// A client that follows no failover, to be compared with one that does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "support/redis_client.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::faults {

// Writes to one server as long as that takes it, and counts what was acknowledged: what a client
// that does not follow a failover loses.
class StayingClient {
 public:
  // `key`: of the list that it appends to; on a Cluster one that the server has.
  explicit StayingClient(test::RedisServer& server, std::string key = "staying")
      : key_(std::move(key)),
        client_(test::RedisClient::tcp(server.port())),
        thread_([this] { run(); }) {}
  ~StayingClient() { stop(); }
  StayingClient(const StayingClient&) = delete;
  StayingClient& operator=(const StayingClient&) = delete;

  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::int64_t acknowledged() const { return acknowledged_; }
  // What of it `server` does not have; after stop().
  std::int64_t lost_at(test::RedisServer& server) {
    return acknowledged_ - server.command({"LLEN", key_}).num();
  }

 private:
  void run() {
    while (!stopping_) {
      try {
        if (client_.try_command({"RPUSH", key_, "x"}, std::chrono::seconds(30)).is_error()) {
          return;  // it is a replica by now
        }
        ++acknowledged_;
      } catch (const std::runtime_error&) {
        return;  // it has ended the connection
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // the rate of the load
    }
  }

  const std::string key_;
  test::RedisClient client_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> acknowledged_{0};
  std::thread thread_;
};

}  // namespace mx_rmq::faults

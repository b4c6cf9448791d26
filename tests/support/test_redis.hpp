// The Redis that the tests of the whole library work on, of whatever kind: $MX_RMQ_TEST_ON says
// which (see kinds() in test_redis.cpp); without it one plain server. scripts/anywhere runs the
// same tests on each.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {

// One a test program, made at its first use.
class TestRedis {
 public:
  virtual ~TestRedis() = default;

  // For the test's own commands; on a Cluster they go where their keys are.
  virtual RedisServer& server() = 0;
  // How many servers topics are spread over.
  virtual std::size_t nodes() const { return 1; }
  // Removes all data.
  virtual void clear() { server().command({"FLUSHALL"}); }
  // Sets what a queue needs to find it.
  virtual void lead(MQConfig& config) { config.redis_url = server().url(); }
  // The same for a process that takes its configuration from the environment: "NAME=value".
  virtual std::vector<std::string> environment() { return {"REDIS_URL=" + server().url()}; }

  static TestRedis& get();
  // get() was called: a program whose tests have servers of their own needs none.
  static bool made() noexcept;
  // $MX_RMQ_TEST_ON, "one" if it is not set.
  static const std::string& kind();
};

}  // namespace mx_rmq::test

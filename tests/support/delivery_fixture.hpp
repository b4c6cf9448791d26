// A server, worker processes on it, and the ledger they share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"
#include "support/build_kind.hpp"
#include "support/child_process.hpp"
#include "support/ledger.hpp"
#include "support/paths.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {

class Delivery : public ::testing::Test {
 protected:
  static constexpr const char* order_topic = "orders";

  explicit Delivery(RedisOptions options = {}) : server(std::move(options)) {}

  std::string ledger_path() const { return server.directory() + "/ledger"; }

  ChildProcess start_worker(std::vector<std::string> environment = {}, int pause_us = 0) {
    ChildOptions options;
    options.arguments = {ledger_path(), order_topic, std::to_string(pause_us)};
    options.environment = std::move(environment);
    options.environment.push_back("REDIS_URL=" + server.url());
    options.output_file = server.directory() + "/worker.log";
    return ChildProcess::start(test_program("delivery_worker"), options);
  }

  MQConfig config() const {
    MQConfig made;
    made.redis_url = server.url();
    return made;
  }

  std::int64_t stat(const std::string& name) {
    const Value value =
        server.try_command({"HGET", std::string("mx:{") + order_topic + "}:stats", name});
    return value.kind == Value::Kind::string ? value.num() : 0;
  }
  bool settled(std::int64_t messages) {
    return stat("completed") + stat("dead") + stat("expired") >= messages;
  }

  RedisServer server;
};

// Begun and ended runs of a message.
struct Runs {
  std::vector<int> begun;  // pids
  int ended = 0;
};
inline std::map<std::int64_t, Runs> runs_of(const std::vector<Record>& ledger) {
  std::map<std::int64_t, Runs> runs;
  for (const Record& record : ledger) {
    Runs& one = runs[static_cast<std::int64_t>(record.key)];
    if (record.op == Op::run_begins) one.begun.push_back(static_cast<int>(record.pid));
    if (record.op == Op::run_ends) ++one.ended;
  }
  return runs;
}

// {"n": n}
inline nlohmann::json numbered(std::int64_t n) {
  nlohmann::json payload;
  payload["n"] = n;
  return payload;
}

// Produces first .. first + count - 1, `batch` at a time.
inline Task<> produce_numbers(RedisMessageQueue* queue, std::string topic, std::int64_t first,
                              std::int64_t count, std::int64_t batch) {
  for (std::int64_t at = 0; at < count; at += batch) {
    std::vector<OutgoingMessage> messages;
    for (std::int64_t i = at; i < std::min(at + batch, count); ++i)
      messages.emplace_back(topic, numbered(first + i));
    co_await queue->produce_batch(std::move(messages));
  }
}

}  // namespace mx_rmq::test

// What it costs to look into a topic of a million messages, for who looks and for the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"
#include "support/audit.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Strings = std::vector<std::string>;

constexpr int million = 1'000'000;

double ms_since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

// A row of the table; sorts what it is given.
void print(const char* what, std::vector<double> ms) {
  std::ranges::sort(ms);
  const auto at = [&](double part) {
    return ms.at(static_cast<std::size_t>(part * static_cast<double>(ms.size() - 1)));
  };
  std::printf("| %s | %zu | %.2f | %.2f | %.2f |\n", what, ms.size(), at(0.5), at(0.99), at(1));
}

// What the scripts have cost Redis since the last call: us a call, calls.
std::pair<double, std::int64_t> script_cost(RedisServer& server) {
  const std::string info = server.command({"INFO", "commandstats"}).str();
  server.command({"CONFIG", "RESETSTAT"});
  const std::string name = "cmdstat_evalsha:calls=";
  const auto at = info.find(name);
  if (at == std::string::npos) return {0, 0};
  std::int64_t calls = 0;
  std::int64_t us = 0;
  std::sscanf(info.c_str() + at + name.size(), "%ld,usec=%ld", &calls, &us);
  return {static_cast<double>(us) / static_cast<double>(std::max<std::int64_t>(calls, 1)), calls};
}

void print_cost(RedisServer& server, const char* what) {
  const auto [us, calls] = script_cost(server);
  const std::int64_t slow = server.command({"SLOWLOG", "LEN"}).num();
  server.command({"SLOWLOG", "RESET"});
  std::printf("%s: %ld calls of scripts, %.0f us of Redis each; %ld took 2 ms or more\n", what,
              static_cast<long>(calls), us, static_cast<long>(slow));
  EXPECT_LT(us, 2'000) << what;
}

std::vector<double> times_of_produce(RedisMessageQueue& queue, const std::atomic<bool>& end) {
  std::vector<double> ms;
  while (!end && ms.size() < 20'000) {
    const auto began = Clock::now();
    sync_wait(queue.produce("other", 1));
    ms.push_back(ms_since(began));
    std::this_thread::sleep_for(500us);
  }
  return ms;
}

TEST(NightlyA, A10_to_look_at_a_million_messages_delays_nobody) {
  RedisServer server;
  MQConfig config;
  config.redis_url = server.url();
  RedisMessageQueue queue(config);
  Strings ids;
  for (int i = 0; i < million; i += 1'000) {
    std::vector<OutgoingMessage> batch;
    for (int k = 0; k < 1'000; ++k)
      batch.emplace_back("orders", nlohmann::json{{"order", i + k}, {"who", "somebody"}});
    Strings some = sync_wait(queue.produce_batch(std::move(batch)));
    std::ranges::move(some, std::back_inserter(ids));
  }
  server.command({"CONFIG", "SET", "slowlog-log-slower-than", "2000"});
  server.command({"SLOWLOG", "RESET"});
  script_cost(server);

  Admin admin = queue.admin();
  std::mt19937 random(7);
  std::vector<double> finding;
  std::printf("| | times | p50 ms | p99 ms | most |\n|---|--:|--:|--:|--:|\n");
  for (int i = 0; i < 1'000; ++i) {
    const std::string& id = ids[random() % ids.size()];
    const auto began = Clock::now();
    const FoundMessage found = sync_wait(admin.find("orders", id));
    finding.push_back(ms_since(began));
    ASSERT_TRUE(found.message) << id;
  }
  print("find, one of a million that wait", finding);
  print_cost(server, "find");

  std::atomic<bool> quiet{false};
  std::thread timer([&quiet] {
    std::this_thread::sleep_for(5s);
    quiet = true;
  });
  print("produce, nobody looks", times_of_produce(queue, quiet));
  timer.join();
  script_cost(server);
  SearchRequest request;
  request.text = "nowhere";
  request.scan_limit = 2 * million;
  std::atomic<bool> done{false};
  SearchResult result;
  double took = 0;
  std::thread searching([&] {
    RedisMessageQueue other(config);
    const auto began = Clock::now();
    result = sync_wait(other.admin().search("orders", request));
    took = ms_since(began);
    done = true;
  });
  print("produce, while somebody searches", times_of_produce(queue, done));
  searching.join();
  EXPECT_EQ(result.looked_at, million);
  EXPECT_TRUE(result.everywhere);
  std::printf("search: %d messages in %.1f s\n", million, took / 1'000);
  print_cost(server, "search (and produce)");
}

// As `mxrmq dead groups` reads them.
TEST(NightlyA, A10_to_read_100_000_dead_letters_takes_short_steps) {
  RedisServer server;
  MQConfig config;
  config.redis_url = server.url();
  RedisMessageQueue queue(config);
  constexpr int many = 100'000;
  const std::string fill = R"(
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local id = 'x' .. i
  redis.call('HSET', KEYS[2], id, 'retries\t["timeout after ' .. i .. ' ms",[1,2,3]]\nmx1 n 3 0 3 1 1 1 0 ' .. #id .. '\n' .. id .. '\n\n{"k":1}')
  redis.call('ZADD', KEYS[1], i, id)
end)";
  for (int from = 1; from <= many; from += 10'000)
    server.command({"EVAL", fill, "2", key_of("orders", "dlq"), key_of("orders", "dlq:data"),
                    std::to_string(from), std::to_string(from + 9'999)});
  server.command({"CONFIG", "SET", "slowlog-log-slower-than", "2000"});
  server.command({"SLOWLOG", "RESET"});
  script_cost(server);
  const auto began = Clock::now();
  std::int64_t seen = 0;
  for (;;) {
    const auto letters = sync_wait(queue.dead_letters().list("orders", seen, 500));
    seen += static_cast<std::int64_t>(letters.size());
    if (letters.size() < 500) break;
  }
  EXPECT_EQ(seen, many);
  std::printf("dead letters: %ld read in %.1f s\n", static_cast<long>(seen),
              ms_since(began) / 1'000);
  print_cost(server, "dead letters");
}

}  // namespace
}  // namespace mx_rmq::test

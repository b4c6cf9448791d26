#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "redis/connection/uv_resolver.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/on_loop.hpp"
#include "runtime/one_shot.hpp"

namespace mx_rmq::redis {
namespace {

using Results = std::vector<Resolver::Result>;

// Asks `times` times at once and returns all answers.
Task<Results> ask(runtime::EventLoop* loop, std::string host, std::size_t times) {
  UvResolver resolver(*loop);
  Results results;
  bool inside = true;
  runtime::OneShot<void> all(*loop);
  for (std::size_t i = 0; i < times; ++i) {
    resolver.resolve(host, 6379, [&](Resolver::Result result) {
      EXPECT_FALSE(inside) << "never before it returned";
      results.push_back(std::move(result));
      if (results.size() == times) all.complete();
    });
  }
  inside = false;
  co_await all.wait();
  co_return results;
}

Results resolve(const std::string& host, std::size_t times = 1) {
  Runtime runtime;
  runtime::EventLoop* const loop = &runtime.event_loop();
  return sync_wait(runtime::run_on(*loop, [&] { return ask(loop, host, times); }));
}

TEST(Resolver, ANumericAddressIsItself) {
  for (const std::string host : {"127.0.0.1", "::1", "fe80::1%1", "203.0.113.9"}) {
    const Results results = resolve(host);
    ASSERT_EQ(results[0].addresses.size(), 1U) << host;
    EXPECT_EQ(results[0].addresses[0], (Address{false, host, 6379}));
  }
}

TEST(Resolver, LocalhostIsALoopbackAddress) {
  const Results results = resolve("localhost");
  ASSERT_FALSE(results[0].addresses.empty()) << results[0].error;
  for (const Address& each : results[0].addresses) {
    EXPECT_TRUE(each.host.starts_with("127.") || each.host == "::1") << each.host;
  }
}

TEST(Resolver, ManyWhoAskAtOnceGetTheSameAnswerEach) {
  const Results results = resolve("localhost", 50);
  ASSERT_EQ(results.size(), 50U);
  for (const Resolver::Result& each : results) EXPECT_EQ(each.addresses, results[0].addresses);
}

TEST(Resolver, AHostThatCannotBeHasAReason) {
  const Results results = resolve("no such host", 2);
  for (const Resolver::Result& each : results) {
    EXPECT_TRUE(each.addresses.empty());
    EXPECT_NE(each.error, "");
  }
}

}  // namespace
}  // namespace mx_rmq::redis

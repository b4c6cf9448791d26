// A queue under load on a Redis Cluster: a topic at each master, and what befalls the nodes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "faults/arena.hpp"
#include "faults/load.hpp"

namespace mx_rmq::faults {

// A topic in the part of the slots that master number `master` of three has at first.
inline std::string topic_at(std::size_t master, const std::string& stem) {
  for (int i = 0;; ++i) {
    std::string topic = stem + std::to_string(i);
    const int slot = test::RedisCluster::slot(topic);
    if (static_cast<std::size_t>(slot * 3 / 16384) == master) return topic;
  }
}

// Master 0 stays as it is, master 1 is where things happen.
inline ArenaOptions on_cluster(const std::string& name, std::size_t replicas) {
  ArenaOptions options = arena_options(name);
  options.cluster.emplace();
  options.cluster->replicas = replicas;
  options.topics = {topic_at(1, "here."), topic_at(0, "there.")};
  return options;
}

inline void tell_figure(const std::string& what, std::int64_t value) {
  std::printf("    %s: %lld\n", what.c_str(), static_cast<long long>(value));
}

// How late a thread that does nothing gets to run, at most: whether the machine is quiet enough for
// times to mean something.
class Lateness {
 public:
  Lateness()
      : thread_([this](const std::stop_token& over) {
          while (!over.stop_requested()) {
            const auto until = test::WaitClock::now() + std::chrono::milliseconds(1);
            std::this_thread::sleep_until(until);
            const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(
                test::WaitClock::now() - until);
            longest_ = std::max<std::int64_t>(longest_.load(), late.count());
          }
        }) {}
  std::chrono::milliseconds longest() const { return std::chrono::milliseconds(longest_.load()); }
  void forget() { longest_ = 0; }

 private:
  std::atomic<std::int64_t> longest_{0};
  std::jthread thread_;
};

// Produces to a topic every few milliseconds, over a queue of its own, and knows the longest time
// that one of them took.
class SteadyProducer {
 public:
  SteadyProducer(const std::string& url, std::string topic) : topic_(std::move(topic)) {
    MQConfig config;
    config.redis_url = url;
    queue_ = std::make_unique<RedisMessageQueue>(config);
    sync_wait(queue_->produce(topic_, {{"k", 0}}));
    thread_ = std::jthread([this](const std::stop_token& over) { run(over); });
  }
  ~SteadyProducer() { stop(); }
  SteadyProducer(const SteadyProducer&) = delete;
  SteadyProducer& operator=(const SteadyProducer&) = delete;

  void stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
    sync_wait(queue_->cleanup());
  }
  std::chrono::milliseconds longest() const { return std::chrono::milliseconds(longest_.load()); }
  void forget() {
    longest_ = 0;
    lateness_.forget();
  }
  // That it did not notice what happened to another node.
  void expect_undisturbed() const {
    tell_figure("ms that a produce elsewhere took at most", longest().count());
    tell_figure("ms that a thread was late at most", lateness_.longest().count());
    const bool quiet = lateness_.longest() < std::chrono::milliseconds(5);
    EXPECT_LT(longest(), std::chrono::milliseconds(quiet ? 100 : 500));
  }

 private:
  void run(const std::stop_token& over) {
    while (!over.stop_requested()) {
      const auto began = test::WaitClock::now();
      sync_wait(queue_->produce(topic_, {{"k", 0}}));
      const auto took =
          std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - began);
      longest_ = std::max<std::int64_t>(longest_.load(), took.count());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the rate of the load
    }
  }

  const std::string topic_;
  Lateness lateness_;
  std::unique_ptr<RedisMessageQueue> queue_;
  std::atomic<std::int64_t> longest_{0};
  std::jthread thread_;
};

// Until a message can be produced to the topic and one is handled.
inline std::chrono::milliseconds time_until_work_goes_on(Arena& arena, std::int64_t messages) {
  const auto began = test::WaitClock::now();
  EXPECT_TRUE(wait_progress(arena, messages)) << arena.output();
  return std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - began);
}

inline void begin_cluster_load(Arena& arena) {
  for (int i = 0; i < 2; ++i) arena.add_worker();
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
}

// Ends producing, drains, judges. What was acknowledged so shortly before a master died may have
// died with it.
inline Verdict end_cluster_load(Arena& arena, std::chrono::nanoseconds forgets) {
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  arena.cluster().wait_until_ok();
  EXPECT_TRUE(arena.drain());
  Verdict verdict = arena.finish({0s, forgets, {}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  tell_figure("acknowledged", verdict.acknowledged);
  tell_figure("forgotten", verdict.forgotten);
  return verdict;
}

}  // namespace mx_rmq::faults

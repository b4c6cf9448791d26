// When failed work is tried again: growing pauses with chance in them, errors that are never
// retried, a total time, and pauses that the error itself tells.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <mx_rmq/mx_rmq.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/dead_letters.hpp"
#include "support/private_redis.hpp"

using mx_rmq::Context;
using mx_rmq::DeadLetter;
using mx_rmq::HandlerOptions;
using mx_rmq::Jitter;
using mx_rmq::RedisMessageQueue;
using mx_rmq::RetryPolicy;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

/// What a web service answers when it has too much to do: it says for how long.
struct Busy : std::runtime_error {
  explicit Busy(std::chrono::milliseconds pause)
      : std::runtime_error("busy for " + std::to_string(pause.count()) + " ms"), pause(pause) {}
  std::chrono::milliseconds pause;
};

class Runs {
 public:
  void add(const Context& context) {
    const std::lock_guard lock(mutex_);
    ++runs_[context.topic()];
    example::say(context.topic() + ": attempt " + std::to_string(context.attempt()));
  }
  int of(const std::string& topic) {
    const std::lock_guard lock(mutex_);
    return runs_[topic];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> runs_;
};

void register_handlers(RedisMessageQueue& queue, Runs& runs, example::Countdown& done) {
  // 50, 100, 200, 200 ms ..., each by chance between its half and the whole.
  queue.register_handler(
      "mail",
      [&](const json&, Context& context) {
        runs.add(context);
        if (context.attempt() < 4) throw std::runtime_error("the mail server does not answer");
        done.count_down();
      },
      HandlerOptions{}.max_retries(10).retry_policy(
          RetryPolicy::exponential(50ms).maximum(200ms).jitter(Jitter::equal)));

  // A wrong order stays wrong.
  queue.register_handler(
      "orders",
      [&](const json&, Context& context) {
        runs.add(context);
        throw std::invalid_argument("there is no such article");
      },
      HandlerOptions{}.retry_policy(RetryPolicy::fixed(1s).never<std::invalid_argument>()));

  // News that are half a second old are none.
  queue.register_handler(
      "news",
      [&](const json&, Context& context) {
        runs.add(context);
        throw std::runtime_error("nobody listens");
      },
      HandlerOptions{}.max_retries(1000).retry_policy(RetryPolicy::fixed(100ms).retry_for(0.5s)));

  // The error knows best.
  const auto as_told = [](const std::exception& error,
                          int attempt) -> std::optional<std::chrono::milliseconds> {
    if (const auto* busy = dynamic_cast<const Busy*>(&error)) return busy->pause;
    if (attempt == 1) return 10ms;
    return std::nullopt;
  };
  queue.register_handler(
      "web",
      [&](const json&, Context& context) {
        runs.add(context);
        if (context.attempt() == 1) throw Busy(150ms);
        done.count_down();
      },
      HandlerOptions{}.retry_policy(RetryPolicy::from(as_told)));
}

int run() {
  const example::PrivateRedis redis;
  Runs runs;
  example::Countdown done(2);  // mail and web
  RedisMessageQueue queue(redis.config());
  register_handlers(queue, runs, done);
  mx_rmq::sync_wait(queue.start_background());
  for (const char* const topic : {"mail", "orders", "news", "web"})
    mx_rmq::sync_wait(queue.produce(topic, json("work")));

  const bool handled = done.wait_for(20s);
  mx_rmq::DeadLetterQueue dead = queue.dead_letters();
  std::map<std::string, std::vector<DeadLetter>> letters;
  std::cout << "\nDead letters:\n";
  for (const std::string topic : {"orders", "news"}) {
    if (!mx_rmq::sync_wait(example::wait_for_dead_letters(dead, topic, 1))) continue;
    letters[topic] = mx_rmq::sync_wait(dead.list(topic));
    for (const DeadLetter& letter : letters[topic])
      std::cout << "  " << topic << ": " << letter.reason << ", " << letter.last_error << '\n';
  }
  mx_rmq::sync_wait(queue.stop());

  example::Checks checks;
  checks.expect(handled && runs.of("mail") == 4, "the mail went out at the fourth attempt");
  checks.expect(runs.of("web") == 2, "the web service was asked again when it had said so");
  checks.expect(letters["orders"].size() == 1 && runs.of("orders") == 1,
                "the wrong order was tried once");
  checks.expect(letters["news"].size() == 1 && runs.of("news") > 1,
                "the news were tried for half a second");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "retry_policies: growing pauses, errors that are never retried, a total time for retries.\n"
      "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

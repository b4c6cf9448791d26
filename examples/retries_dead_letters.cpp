// What happens to work that fails: retries, RetryAfter, Reject, dead letters, and putting them
// back.
#include <atomic>
#include <chrono>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/dead_letters.hpp"
#include "support/private_redis.hpp"

using mx_rmq::Context;
using mx_rmq::DeadLetter;
using mx_rmq::DeadLetterQueue;
using mx_rmq::ProduceOptions;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr const char* topic = "payments";

struct Shop {
  std::atomic<bool> bank_is_open{false};
  example::Countdown paid{2};        // "flaky" and "busy"
  example::Countdown paid_later{1};  // "closed", after it was requeued
};

Task<> pay(Shop* shop, std::string kind, int attempt, int most) {
  example::say(kind + ": attempt " + std::to_string(attempt) + " of " + std::to_string(most));
  co_await mx_rmq::sleep_for(5ms);  // a request to the bank, say
  if (kind == "flaky" && attempt < 3) throw std::runtime_error("connection reset");
  if (kind == "busy" && attempt == 1) throw mx_rmq::RetryAfter(300ms, "the bank asks for patience");
  if (kind == "forged") throw mx_rmq::Reject("the signature does not match");
  if (kind == "closed" && !shop->bank_is_open) throw std::runtime_error("the bank is closed");
  example::say(kind + ": paid");
  (kind == "closed" ? shop->paid_later : shop->paid).count_down();
}

Task<> produce_all(RedisMessageQueue* queue) {
  for (const char* const kind : {"flaky", "busy", "forged", "closed"}) {
    json payload = {{"kind", kind}};
    co_await queue->produce(topic, std::move(payload), ProduceOptions{}.message_id(kind));
  }
}

int run() {
  const example::PrivateRedis redis;
  Shop shop;
  mx_rmq::MQConfig config = redis.config();
  config.max_retries = 2;
  config.retry_delays = {100ms, 200ms};
  RedisMessageQueue queue(config);
  queue.register_handler(topic, [&shop](const json& payload, Context& context) {
    return pay(&shop, payload.at("kind").get<std::string>(), context.attempt(),
               context.max_attempts());
  });
  mx_rmq::sync_wait(queue.start_background());
  mx_rmq::sync_wait(produce_all(&queue));

  DeadLetterQueue dead = queue.dead_letters();
  const bool paid = shop.paid.wait_for(20s);
  const bool died = mx_rmq::sync_wait(example::wait_for_dead_letters(dead, topic, 2));

  std::cout << "\nDead letters, the newest first:\n";
  const std::vector<DeadLetter> letters = mx_rmq::sync_wait(dead.list(topic));
  for (const DeadLetter& letter : letters)
    std::cout << "  " << letter.message.id << ": " << letter.reason << ", attempts "
              << letter.message.meta.attempt_times.size() << ", " << letter.last_error << '\n';
  std::cout << '\n';

  shop.bank_is_open = true;
  example::say("the bank is open: \"closed\" is put back");
  const bool requeued = mx_rmq::sync_wait(dead.requeue(topic, "closed"));
  const bool paid_later = shop.paid_later.wait_for(20s);
  const bool removed = mx_rmq::sync_wait(dead.remove(topic, "forged"));
  mx_rmq::sync_wait(queue.stop());
  const std::int64_t left = mx_rmq::sync_wait(dead.count(topic));

  example::Checks checks;
  checks.expect(paid, "two payments came through after retries");
  checks.expect(died && letters.size() == 2 && letters[0].message.id == "closed" &&
                    letters[0].reason == "retries" &&
                    letters[0].message.meta.attempt_times.size() == 3,
                "\"closed\" died after 1 attempt and 2 retries");
  checks.expect(
      letters.size() == 2 && letters[1].message.id == "forged" && letters[1].reason == "rejected",
      "\"forged\" was rejected, and not tried again");
  checks.expect(requeued && paid_later, "the requeued payment came through");
  checks.expect(removed && left == 0, "no dead letter is left");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "retries_dead_letters: retries, RetryAfter, Reject, dead letters, requeueing.\n"
      "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

// Handlers that get a struct instead of JSON. What does not decode never reaches them: it becomes a
// dead letter as it came.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/dead_letters.hpp"
#include "support/private_redis.hpp"

using mx_rmq::DeadLetter;
using mx_rmq::DeadLetterQueue;
using mx_rmq::ProduceOptions;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace shop {

struct Order {
  std::string item;
  std::int32_t pieces = 0;
  std::vector<std::string> wishes;
};

void to_json(json& out, const Order& order) {
  out = json{{"item", order.item}, {"pieces", order.pieces}, {"wishes", order.wishes}};
}

// Called by the library. Whatever it throws is the reason the message is put aside with.
void from_json(const json& in, Order& order) {
  in.at("item").get_to(order.item);
  // Into the widest type first: get<int>() of a bigger number would quietly give another one.
  const std::int64_t pieces = in.at("pieces").get<std::int64_t>();
  if (pieces < 1 || pieces > 1000)
    throw std::out_of_range("pieces: " + std::to_string(pieces) + " is not 1 to 1000");
  order.pieces = static_cast<std::int32_t>(pieces);
  if (in.contains("wishes")) in.at("wishes").get_to(order.wishes);
}

}  // namespace shop

namespace {

constexpr const char* topic = "orders";

struct Desk {
  std::vector<std::string> taken;
  example::Countdown left{2};
};

Task<> take(Desk* desk, shop::Order order) {
  std::string text = std::to_string(order.pieces) + " x " + order.item;
  for (const std::string& wish : order.wishes) text += ", " + wish;
  example::say("takes " + text);
  desk->taken.push_back(std::move(text));
  desk->left.count_down();
  co_return;
}

Task<> produce_all(RedisMessageQueue* queue) {
  shop::Order tea;
  tea.item = "tea";
  tea.pieces = 2;
  tea.wishes = {"black", "no sugar"};
  json good = tea;
  co_await queue->produce(topic, std::move(good));

  // What other programs may send.
  json too_many = {{"item", "cake"}, {"pieces", std::int64_t{1} << 40}};
  co_await queue->produce(topic, std::move(too_many), ProduceOptions{}.message_id("too many"));
  json wrong_type = {{"item", "cake"}, {"pieces", "three"}};
  co_await queue->produce(topic, std::move(wrong_type), ProduceOptions{}.message_id("wrong type"));
  json missing = {{"pieces", 1}};
  co_await queue->produce(topic, std::move(missing), ProduceOptions{}.message_id("no item"));

  json plain = {{"item", "coffee"}, {"pieces", 1}};
  co_await queue->produce(topic, std::move(plain));
}

int run() {
  const example::PrivateRedis redis;
  Desk desk;
  RedisMessageQueue queue(redis.config());
  queue.register_handler<shop::Order>(
      topic, [&desk](shop::Order order) { return take(&desk, std::move(order)); });
  mx_rmq::sync_wait(queue.start_background());
  mx_rmq::sync_wait(produce_all(&queue));

  DeadLetterQueue dead = queue.dead_letters();
  const bool taken = desk.left.wait_for(20s);
  const bool put_aside = mx_rmq::sync_wait(example::wait_for_dead_letters(dead, topic, 3));
  mx_rmq::sync_wait(queue.stop());

  std::cout << "\nPut aside:\n";
  const std::vector<DeadLetter> letters = mx_rmq::sync_wait(dead.list(topic));
  bool all_decode = letters.size() == 3;
  for (const DeadLetter& letter : letters) {
    all_decode = all_decode && letter.reason == "decode" && !letter.raw.empty();
    std::cout << "  " << letter.message.id << ": " << letter.last_error << "\n      "
              << letter.message.payload << '\n';
  }
  std::cout << '\n';

  const std::vector<std::string> expected = {"2 x tea, black, no sugar", "1 x coffee"};
  example::Checks checks;
  checks.expect(taken && desk.taken == expected, "the handler got the two good orders");
  checks.expect(put_aside && all_decode, "three others are dead letters \"decode\", as they came");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "typed_payloads: handlers that get a struct; what does not decode.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

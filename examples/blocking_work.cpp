// Work that blocks: a handler that returns void runs on a thread; a coroutine hands blocking calls
// to one with run_blocking. The loop thread stays free for everything else.
#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <mx_rmq/mx_rmq.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::OutgoingMessage;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr auto piece_time = 200ms;  // what one piece of work blocks its thread for
constexpr int piece_count = 4;

// Blocking handlers run on several threads at once: what they share needs a lock, or is atomic.
struct Work {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> blocked{0};  // threads that are blocked just now
  int ticks_while_blocked = 0;  // loop thread only, read after the end
  example::Countdown left{2 * piece_count + 1};
};

// Stands for what cannot be awaited: a file, a library that waits, a long computation.
int checksum(Work* work, int number) {
  ++work->blocked;
  std::this_thread::sleep_for(piece_time);
  --work->blocked;
  return number * number;
}

// A plain function: may block.
void compress(Work* work, const json& payload) {
  const int number = payload.at("number").get<int>();
  checksum(work, number);
  example::say("compressed " + std::to_string(number) + " on a thread");
  {
    const std::lock_guard lock(work->mutex);
    work->threads.insert(std::this_thread::get_id());
  }
  work->left.count_down();
}

// A coroutine: hands only the part that blocks to a thread, and goes on where it was.
Task<> upload(Work* work, json payload) {
  const int number = payload.at("number").get<int>();
  auto call = mx_rmq::run_blocking([work, number] { return checksum(work, number); });
  const int sum = co_await std::move(call);
  example::say("uploaded " + std::to_string(number) + ", checksum " + std::to_string(sum));
  work->left.count_down();
}

// Runs meanwhile, on the loop thread: it could not while that one is blocked.
Task<> tick(Work* work) {
  for (int i = 0; i < 30; ++i) {
    co_await mx_rmq::sleep_for(5ms);
    if (work->blocked > 0) ++work->ticks_while_blocked;
  }
  work->left.count_down();
}

Task<> produce_all(RedisMessageQueue* queue) {
  std::vector<OutgoingMessage> messages;
  for (int number = 1; number <= piece_count; ++number) {
    json payload = {{"number", number}};
    messages.emplace_back("compress", payload);
    messages.emplace_back("upload", payload);
  }
  messages.emplace_back("tick", json());
  co_await queue->produce_batch(std::move(messages));
}

int run() {
  const example::PrivateRedis redis;
  Work work;
  mx_rmq::MQConfig config = redis.config();
  // One for each, and one to spare.
  config.max_workers = 2 * piece_count + 2;
  config.blocking_threads = 2 * piece_count;
  RedisMessageQueue queue(config);
  queue.register_handler("compress", [&work](const json& payload) { compress(&work, payload); });
  queue.register_handler("upload", [&work](const json& payload) { return upload(&work, payload); });
  queue.register_handler("tick", [&work](const json&) { return tick(&work); });
  mx_rmq::sync_wait(queue.start_background());

  const auto began = Clock::now();
  mx_rmq::sync_wait(produce_all(&queue));
  const bool done = work.left.wait_for(20s);
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
  mx_rmq::sync_wait(queue.stop());

  std::cout << "\n"
            << 2 * piece_count << " pieces of work that block for " << piece_time.count()
            << " ms each took " << time.count() << " ms together\n\n";
  example::Checks checks;
  checks.expect(done, "all work was done");
  checks.expect(work.threads.size() > 1 && time < 2 * piece_count * piece_time,
                "on several threads, side by side");
  checks.expect(work.ticks_while_blocked > 0,
                "the loop thread went on meanwhile: " + std::to_string(work.ticks_while_blocked) +
                    " of 30 ticks while threads were blocked");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "blocking_work: handlers that block, beside coroutines that must not.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

// Handlers on an executor of the program's own: here the one thread that owns a window, say, whose
// things no other thread may touch.
#include <condition_variable>
#include <deque>
#include <functional>
#include <iostream>
#include <mutex>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::HandlerOptions;
using mx_rmq::RedisMessageQueue;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

/// The thread of the window, as every toolkit has one: what others want done they post to it.
class Window {
 public:
  Window() : thread_([this] { run(); }) {}
  ~Window() {
    post({});
    thread_.join();
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    changed_.notify_one();
  }

  /// On its thread only.
  void show(const std::string& line) {
    if (std::this_thread::get_id() != thread_.get_id()) wrong_thread_ = true;
    example::say("the window shows: " + line);
    lines_.push_back(line);
  }
  [[nodiscard]] std::size_t lines() const { return lines_.size(); }
  [[nodiscard]] bool touched_by_others() const { return wrong_thread_; }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !posted_.empty(); });
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      if (!work) return;
      work();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> posted_;
  std::vector<std::string> lines_;
  bool wrong_thread_ = false;
  std::thread thread_;
};

constexpr int news_count = 5;

int run() {
  const example::PrivateRedis redis;
  Window window;  // outlives the queue
  example::Countdown shown(news_count);
  RedisMessageQueue queue(redis.config());
  queue.register_handler(
      "news",
      [&](const json& news) {
        window.show(news.get<std::string>());
        shown.count_down();
      },
      HandlerOptions{}.executor([&window](auto work) { window.post(std::move(work)); }));
  mx_rmq::sync_wait(queue.start_background());
  for (int number = 1; number <= news_count; ++number)
    mx_rmq::sync_wait(queue.produce("news", json("news no. " + std::to_string(number))));
  const bool all = shown.wait_for(20s);
  mx_rmq::sync_wait(queue.stop());

  example::Checks checks;
  checks.expect(all && window.lines() == news_count, "all news were shown");
  checks.expect(!window.touched_by_others(), "and no other thread touched the window");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "own_executor: handlers that run on a thread of the program's own.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

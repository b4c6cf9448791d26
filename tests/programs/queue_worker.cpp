// A worker in a process of its own, for tests that kill, stop or signal it. Configured by MQ_*. It
// runs until SIGTERM, and writes a line for all that happens:
//   ready, begin <id> <attempt>, end <id>, stopped <id> (the stop token fired), stopping, bye
// The payload says what a run does: {"do": "exit"}, {"do": "sleep", "ms": n}, {"do": "hold", "ms":
// n} (a wait that looks at the stop token), {"do": "defy", "ms": n} (one that looks and goes on),
// {"do": "raise"} (SIGTERM, in its own thread), {"do": "fail"}; anything else is done at once.
//   queue_worker <topic>          consumes
//   queue_worker <topic> produce  the same, and first produces a message that is due in 300 ms and
//                                 lives 10 s
// MX_RMQ_TEST_SKEW: so many seconds is the wall clock of this process ahead.
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "mx_rmq/mx_rmq.hpp"

// In place of libc's, for everything in this process.
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const char* const skew = std::getenv("MX_RMQ_TEST_SKEW");
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && skew != nullptr) now->tv_sec += std::atol(skew);
  return static_cast<int>(result);
}

namespace {

using namespace std::chrono_literals;

// One write a line: lines of several threads do not mix.
void say(const std::string& text) {
  const std::string line = text + '\n';
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

mx_rmq::Task<> handle(const nlohmann::json& payload, mx_rmq::Context& context) {
  say("begin " + context.id() + ' ' + std::to_string(context.attempt()));
  const std::string what = payload.value("do", "");
  const std::chrono::milliseconds wait(payload.value("ms", 0));
  if (what == "exit") ::_exit(1);
  if (what == "fail") throw std::runtime_error("told to fail");
  if (what == "sleep") co_await mx_rmq::sleep_for(wait);
  if (what == "raise") ::raise(SIGTERM);
  if (what == "hold" || what == "defy") {
    bool stopped = false;
    const auto until = std::chrono::steady_clock::now() + wait;
    for (;;) {
      if (!stopped && context.stop_token().stop_requested()) {
        stopped = true;
        say("stopped " + context.id());
      }
      if (std::chrono::steady_clock::now() >= until || (stopped && what == "hold")) break;
      co_await mx_rmq::sleep_for(5ms);
    }
  }
  say("end " + context.id());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    mx_rmq::RedisMessageQueue queue(mx_rmq::MQConfig::from_env());
    queue.register_handler(argv[1], handle);
    if (argc > 2) {
      const auto wall = std::chrono::system_clock::now().time_since_epoch();
      say("wall " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(wall).count()));
      auto options = mx_rmq::ProduceOptions{}.delay(300ms).ttl(10s);
      auto produced = queue.produce(argv[1], nlohmann::json::object(), std::move(options));
      say("produced " + mx_rmq::sync_wait(std::move(produced)));
    }
    // run() takes over the signals before it consumes, so whoever has seen this line may send one.
    std::jthread watch([&queue](const std::stop_token& over) {
      while (!queue.is_running() && !over.stop_requested()) std::this_thread::sleep_for(1ms);
      if (queue.is_running()) say("ready");
      while (!queue.status().shutting_down && !over.stop_requested())
        std::this_thread::sleep_for(1ms);
      if (queue.status().shutting_down) say("stopping");
    });
    queue.run();
    say("bye");
  } catch (const std::exception& e) {
    say(std::string("error ") + e.what());
    return 1;
  }
  return 0;
}

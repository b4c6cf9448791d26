#include "runtime/fork_guard.hpp"

#include <atomic>
#include <stdexcept>

#include <pthread.h>

#include "runtime/thread_setup.hpp"

namespace mx_rmq::runtime {

namespace {

std::atomic<unsigned> generation{0};

}  // namespace

unsigned fork_generation() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] {
    generation.fetch_add(1, std::memory_order_relaxed);
    unblock_sigpipe_after_fork();
  });
  static_cast<void>(registered);  // it only fails without memory; then fork() is not noticed
  return generation.load(std::memory_order_relaxed);
}

void refuse_after_fork(unsigned made_in) {
  if (made_in == generation.load(std::memory_order_relaxed)) return;
  throw std::logic_error(
      "mx_rmq: this Runtime was made before fork() and has no loop thread in the child process; "
      "make queues and Runtimes after the fork");
}

}  // namespace mx_rmq::runtime

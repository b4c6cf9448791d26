// A source file beside main.cpp that uses the same library: no name may be defined in both.
#include <cstdlib>
#include <mx_rmq/mx_rmq.hpp>

namespace {

struct BeforeMain {
  BeforeMain() {
    const mx_rmq::RedisMessageQueue queue;
    if (queue.is_running()) std::abort();
  }
} before_main;

}  // namespace

// Each line with BAD has to be refused by the sentence after it, and by nothing else.
#include <stdexcept>
#include <string>

#include "mx_rmq/mx_rmq.hpp"

using mx_rmq::RetryPolicy;

void all() {
  // clang-format off
  (void)RetryPolicy::from([](int attempt) { return std::chrono::seconds(attempt); });  // BAD: mx_rmq: a function of RetryPolicy::from takes (const std::exception& error, int attempt) and returns std::chrono::milliseconds
  (void)RetryPolicy::from([](const std::exception&, int attempt) { return attempt; });  // BAD: mx_rmq: a function of RetryPolicy::from takes (const std::exception& error, int attempt) and returns std::chrono::milliseconds
  (void)RetryPolicy().never<const std::invalid_argument&>();  // BAD: mx_rmq: never<E>() takes the plain type of what is thrown: write never<std::invalid_argument>()
  (void)mx_rmq::HandlerOptions{}.executor([] {});  // BAD: mx_rmq: an executor is a copyable function that is called with the work to run, a std::function<void()>
  int loop = 0;
  (void)mx_rmq::Runtime::on(&loop);  // BAD: mx_rmq: Runtime::on takes a uv_loop_t*, and needs mx_rmq/libuv.hpp included
  // clang-format on
}

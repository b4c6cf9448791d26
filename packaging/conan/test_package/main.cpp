#include <iostream>
#include <mx_rmq/mx_rmq.hpp>

// Nothing here needs a Redis: a task runs on the library's loop, and a wrong URL is told.
mx_rmq::Task<int> answer() {
  co_await mx_rmq::sleep_for(std::chrono::milliseconds(1));
  co_return 42;
}

int main() {
  if (mx_rmq::sync_wait(answer()) != 42) return 1;
  mx_rmq::MQConfig config;
  config.redis_url = "redis://localhost:99999";
  try {
    config.validate();
  } catch (const mx_rmq::ConfigError& error) {
    std::cout << "mx_rmq works, and says: " << error.what() << '\n';
    return 0;
  }
  return 1;
}

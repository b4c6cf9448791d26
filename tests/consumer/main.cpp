// Produces one message and handles it, knowing only the public headers. Takes REDIS_URL from the
// environment; exits with 0 if the handler saw what was produced.
#include <atomic>
#include <chrono>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <thread>

// An error of the library is caught by its type, also where a program hides its symbols.
bool errors_keep_their_type() {
  mx_rmq::MQConfig config;
  config.redis_url = "no URL";
  try {
    config.validate();
  } catch (const mx_rmq::ConfigError&) {
    return true;
  }
  return false;
}

int main() {
  using namespace std::chrono_literals;
  using nlohmann::json;

  if (!errors_keep_their_type()) {
    std::cerr << "no ConfigError\n";
    return 1;
  }
  const std::string topic = "consumer";
  std::atomic<int> handled = 0;
  std::atomic<bool> as_sent = false;

  mx_rmq::MQConfig config = mx_rmq::MQConfig::from_env();
  config.queue_prefix = "package-test";
  mx_rmq::RedisMessageQueue queue(config);
  queue.register_handler(topic, [&handled, &as_sent](const json& payload) {
    as_sent = payload == json::parse(R"({"number": 9007199254740993, "list": []})");
    ++handled;
  });

  mx_rmq::sync_wait(queue.start_background());
  const json payload = json::parse(R"({"number": 9007199254740993, "list": []})");
  const std::string id = mx_rmq::sync_wait(queue.produce(topic, payload));
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (handled == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  mx_rmq::sync_wait(queue.stop());

  if (id.empty() || handled != 1 || !as_sent) {
    std::cerr << "id '" << id << "', handled " << handled << " times, as sent: " << as_sent << "\n";
    return 1;
  }
  std::cout << "handled " << id << "\n";
}

// A worker process for the delivery tests: handles one topic and writes down what it does.
//
//   delivery_worker <ledger> <topic> [pause_us] [killer]
//
// Configured by REDIS_URL and MQ_*. The ledger gets a line at the start and at the end of each run,
// in one write() each, so it survives a SIGKILL: "S <n> <pid>" and "E <n> <pid>". A payload
// {"kill": true} ends the process. SIGTERM stops it.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "mx_rmq/mx_rmq.hpp"

namespace {

void write_line(int file, char what, long long n) {
  char line[64];
  const int length = std::snprintf(line, sizeof line, "%c %lld %d\n", what, n, getpid());
  if (::write(file, line, static_cast<std::size_t>(length)) != length) std::abort();
}

mx_rmq::Task<> handle(int file, std::chrono::microseconds pause, nlohmann::json payload) {
  const long long n = payload.at("n").get<long long>();
  write_line(file, 'S', n);
  if (payload.contains("kill")) ::_exit(9);
  if (pause.count() > 0) co_await mx_rmq::sleep_for(pause);
  write_line(file, 'E', n);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int file = ::open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (file < 0) return 2;
  const std::chrono::microseconds pause(argc > 3 ? std::atoll(argv[3]) : 0);
  try {
    mx_rmq::RedisMessageQueue queue(mx_rmq::MQConfig::from_env());
    queue.register_handler(argv[2], [file, pause](const nlohmann::json& payload) {
      return handle(file, pause, payload);
    });
    queue.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "delivery_worker: %s\n", e.what());
    return 1;
  }
  return 0;
}

// A worker process for the delivery tests: handles one topic and writes down what it does.
//
//   delivery_worker <ledger> <topic> [pause_us] [killer]
//
// Configured by REDIS_URL and MQ_*. The ledger gets a record at the start and at the end of each
// run; its key is the payload's number. A payload {"kill": true} ends the process. SIGTERM stops
// it.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "mx_rmq/mx_rmq.hpp"
#include "support/ledger.hpp"

namespace {

using mx_rmq::test::Ledger;
using mx_rmq::test::Op;
using mx_rmq::test::Record;

void note(const Ledger& ledger, Op op, std::uint64_t n) {
  Record record;
  record.op = op;
  record.key = n;
  ledger.write(record);
}

mx_rmq::Task<> handle(const Ledger* ledger, std::chrono::microseconds pause,
                      nlohmann::json payload) {
  const auto n = payload.at("n").get<std::uint64_t>();
  note(*ledger, Op::run_begins, n);
  if (payload.contains("kill")) ::_exit(9);
  if (pause.count() > 0) co_await mx_rmq::sleep_for(pause);
  note(*ledger, Op::run_ends, n);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::chrono::microseconds pause(argc > 3 ? std::atoll(argv[3]) : 0);
  try {
    const Ledger ledger(argv[1]);
    mx_rmq::RedisMessageQueue queue(mx_rmq::MQConfig::from_env());
    queue.register_handler(argv[2], [&ledger, pause](const nlohmann::json& payload) {
      return handle(&ledger, pause, payload);
    });
    queue.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "delivery_worker: %s\n", e.what());
    return 1;
  }
  return 0;
}

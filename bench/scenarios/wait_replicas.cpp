// What waiting for a replica costs: a master with one, and the library with wait_replicas 1, beside
// the library with 0 on the same servers.
#include <stdexcept>

#include "passes.hpp"
#include "support/redis_server.hpp"

namespace bench {
namespace {

// Until the master writes to its replica: before that, WAIT counts none.
void wait_for_replica(Plain& master) {
  const auto give_up = Clock::now() + std::chrono::seconds(60);
  while (Clock::now() < give_up) {
    master.command({"SET", "bench:replicated", "1"});
    if (master.number({"WAIT", "1", "1000"}) == 1) return;
  }
  throw std::runtime_error("the replica does not follow its master");
}

}  // namespace

void wait_replicas(Bench& bench, Section& section) {
  const mx_rmq::test::RedisServer master({.tcp = true, .config = {"repl-diskless-sync-delay 0"}});
  const mx_rmq::test::RedisServer replica(
      {.tcp = true, .config = {"replicaof 127.0.0.1 " + std::to_string(master.port())}});
  Plain redis(master.url());
  track_latency(redis);
  wait_for_replica(redis);
  Bench there{bench.options, master.tcp_url(), redis, bench.shape, bench.program};
  struct Variant {
    std::string name;
    Callers callers;
    long messages;
  };
  const long many = bench.options.size(150'000, 2'000);
  const Variant variants[] = {
      {"10,000 callers, one message each time", {10'000, 0}, many},
      {"100 callers, one message each time", {100, 0}, bench.options.size(50'000, 1'000)},
      {"produce_batch of 1,000, 4 callers", {4, 1'000}, many},
      {"1 caller, one message each time", {1, 0}, bench.options.size(5'000, 200)},
  };
  LibraryShape waiting;
  waiting.wait_replicas = 1;
  for (const Variant& each : variants) {
    const auto pass = [&](const LibraryShape& shape) {
      return [&there, &each, &shape, &redis](long n) {
        redis.flush_all();
        wait_for_replica(redis);
        return library_produce(there, shape, each.callers, n);
      };
    };
    const LibraryShape plain;
    const Compared both = compare(bench, each.messages, pass(waiting), pass(plain));
    section.add(
        throughput("waits for a replica, beside not: " + each.name, both.library, both.limit));
  }
}

}  // namespace bench

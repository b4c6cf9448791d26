// Acknowledging while many other messages are held by the same consumer: their handlers wait.
#include <coroutine>

#include "flatness.hpp"
#include "mx_rmq_scripts.hpp"
#include "samples.hpp"
#include "script_times.hpp"

namespace bench {
namespace {

using mx_rmq::Task;

// Coroutines of one loop wait here until it is opened.
class Gate {
 public:
  struct Awaiter {
    Gate* gate;
    bool await_ready() const noexcept { return gate->open_; }
    void await_suspend(std::coroutine_handle<> waiter) { gate->waiting_.push_back(waiter); }
    void await_resume() const noexcept {}
  };
  Awaiter wait() { return Awaiter{this}; }
  // On that loop.
  void open() {
    open_ = true;
    for (const std::coroutine_handle<> each : std::exchange(waiting_, {})) each.resume();
  }

 private:
  bool open_ = false;
  std::vector<std::coroutine_handle<>> waiting_;
};

Task<> open_on_loop(Gate* gate) {
  co_await mx_rmq::sleep_for(std::chrono::nanoseconds(0));
  gate->open();
}

struct Parking {
  Gate gate;
  long wanted;
  long parked = 0;  // of the loop thread
  Meter parks;
  Meter flowed;
};

// The first `wanted` messages stay.
Task<> handle(Parking* parking) {
  if (parking->parked < parking->wanted) {
    ++parking->parked;
    parking->parks.add();
    co_await parking->gate.wait();
  } else {
    parking->flowed.add();
  }
}

// us of ack.lua a message, by the server's clock.
double ack_time(Plain& redis) {
  constexpr long fixed = 10;  // EVALSHA, SHA1, number of keys, 3 keys, 4 arguments
  double micros = 0;
  double tags = 0;
  for (const ScriptCall& call : logged_calls(redis, mx_rmq::lua::ack.sha1)) {
    micros += call.micros;
    tags += static_cast<double>(call.arguments - fixed);
  }
  return tags > 0 ? micros / tags : 0;
}

Round by_library(Bench& bench, long held, long messages, std::vector<double>& acks) {
  Parking parking;
  parking.wanted = held;
  LibraryShape shape;
  // 100 run beside those that wait. A queue has at most 100,000 workers.
  shape.workers = static_cast<int>(held) + 100;
  Limit filler(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
  filler.produce(held + messages);
  mx_rmq::RedisMessageQueue queue(shape.config(bench.url));
  Parking* const all = &parking;
  queue.register_handler("bench", [all](const nlohmann::json&) { return handle(all); });
  mx_rmq::sync_wait(queue.start_background());
  parking.parks.wait_for(held);
  log_scripts(bench.redis);
  Measure measure(bench.redis);
  const long before = completed(bench.redis, shape.topics);
  parking.flowed.wait_for(messages);
  wait_completed(bench.redis, shape.topics, messages);
  const Round round = measure.end(static_cast<double>(messages - before));
  acks.push_back(ack_time(bench.redis));
  stop_logging_scripts(bench.redis);
  mx_rmq::sync_wait(open_on_loop(&parking.gate));
  wait_completed(bench.redis, shape.topics, held + messages);
  mx_rmq::sync_wait(queue.cleanup());
  return round;
}

Round by_limit(Bench& bench, long held, long messages, std::vector<double>& acks) {
  Limit limit(bench.redis, {"bench"}, usual_payload, bench.shape);
  limit.produce(held + messages);
  limit.claim(held);
  log_scripts(bench.redis);
  Measure measure(bench.redis);
  limit.consume(messages);
  const Round round = measure.end(static_cast<double>(messages));
  acks.push_back(ack_time(bench.redis));
  stop_logging_scripts(bench.redis);
  return round;
}

}  // namespace

void in_flight(Bench& bench, Section& section) {
  const long messages = bench.options.size(30'000, 2'000);
  constexpr long least = 10;
  Flatness flatness;
  std::vector<double> library_acks;  // what each variant's ack script takes of the reference's
  std::vector<double> limit_acks;
  for (const long held : {least, 100L, 1'000L, 10'000L, 99'900L}) {
    if (bench.options.quick && held > 1'000) break;
    std::vector<double> reference;
    std::vector<double> mine;
    std::vector<double> theirs;
    const auto library = [&](long count, std::vector<double>& acks) {
      return [&, count](long n) {
        bench.redis.flush_all();
        return by_library(bench, count, n, acks);
      };
    };
    const FlatVariant all =
        measure_flat(bench, messages, library(least, reference), library(held, mine), [&](long n) {
          bench.redis.flush_all();
          return by_limit(bench, held, n, theirs);
        });
    for (std::vector<double>* each : {&reference, &mine, &theirs})
      each->erase(each->begin());  // the warm-up
    Row row = throughput(grouped(static_cast<double>(held)) + " held beside those that flow",
                         all.library, all.limit);
    row.text("ack script us a message (limit)",
             fixed(median(mine), 2) + " (" + fixed(median(theirs), 2) + ")");
    library_acks.push_back(median_ratio(mine, reference));
    limit_acks.push_back(median_ratio(theirs, reference));
    row.number("of ref.", "ack_script_of_reference", library_acks.back(), 2);
    row.data("ack_script_us_per_message", median(mine));
    row.data("limit_ack_script_us_per_message", median(theirs));
    flatness.add(row, all);
    section.add(std::move(row));
  }
  section.target("ack script time a message, 10 to 100,000 in flight, max/min - 1",
                 unevenness(library_acks), at_most(0.10), 2);
  section.target("the same of the limit", unevenness(limit_acks), at_most(0.10), 2);
  flatness.judge(section, "claim and ack, 10 to 100,000 in flight", 0.10);
}

}  // namespace bench

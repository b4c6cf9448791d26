// From a produce call to the start of its handler, one message at a time, beside the round trip of
// a PING and the same work by plain hiredis.
#include <atomic>
#include <exception>
#include <thread>

#include "passes.hpp"
#include "plain_consumer.hpp"
#include "samples.hpp"

namespace bench {
namespace {

using mx_rmq::Task;
using Micros = std::vector<double>;

constexpr auto pause = std::chrono::milliseconds(3);

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }
double us_since(std::int64_t begin_ns) { return static_cast<double>(now_ns() - begin_ns) / 1e3; }

// A queue whose handler notes how long ago the time in the payload was.
struct Handled {
  Micros latencies;  // of the loop thread until `count` is read
  Meter count;
};

Task<> produce_from_loop(mx_rmq::RedisMessageQueue* queue, long messages) {
  for (long i = 0; i < messages; ++i) {
    co_await mx_rmq::sleep_for(pause);
    nlohmann::json payload = now_ns();
    co_await queue->produce("bench", std::move(payload));
  }
}

void produce_from_thread(mx_rmq::RedisMessageQueue& queue, long messages) {
  for (long i = 0; i < messages; ++i) {
    std::this_thread::sleep_for(pause);
    mx_rmq::sync_wait(queue.produce("bench", now_ns()));
  }
}

Micros by_library(Bench& bench, bool from_loop, long messages) {
  bench.redis.flush_all();
  mx_rmq::RedisMessageQueue queue(LibraryShape().config(bench.url));
  Handled handled;
  Handled* const all = &handled;
  queue.register_handler("bench", [all](const nlohmann::json& payload) -> Task<> {
    all->latencies.push_back(us_since(payload.get<std::int64_t>()));
    all->count.add();
    co_return;
  });
  mx_rmq::sync_wait(queue.start_background());
  constexpr long warm_up = 20;
  if (from_loop) {
    mx_rmq::sync_wait(produce_from_loop(&queue, messages + warm_up));
  } else {
    produce_from_thread(queue, messages + warm_up);
  }
  handled.count.wait_for(messages + warm_up);
  mx_rmq::sync_wait(queue.cleanup());
  handled.latencies.erase(handled.latencies.begin(), handled.latencies.begin() + warm_up);
  return handled.latencies;
}

// The same commands by hiredis: one connection produces, another is woken over a third one, and
// claims.
Micros by_hiredis(Bench& bench, long messages) {
  bench.redis.flush_all();
  std::atomic<std::int64_t> sent{0};
  PlainConsumer consumer(bench.url, "bench");
  Limit producer(bench.redis, {"bench"}, usual_payload, {1, 1});
  Micros out;
  std::exception_ptr error;
  std::jthread waiting([&] {
    try {
      for (long i = 0; i < messages; ++i) {
        consumer.next();
        out.push_back(us_since(sent.load()));
        consumer.settle();
      }
    } catch (...) {
      error = std::current_exception();
    }
  });
  for (long i = 0; i < messages; ++i) {
    std::this_thread::sleep_for(pause);
    sent = now_ns();
    producer.produce(1);
  }
  waiting.join();
  if (error != nullptr) std::rethrow_exception(error);
  return out;
}

Micros pings(Bench& bench, bool paced, long count) {
  Micros out;
  for (long i = 0; i < count; ++i) {
    if (paced) std::this_thread::sleep_for(pause);
    const std::int64_t begin = now_ns();
    bench.redis.command({"PING"});
    out.push_back(us_since(begin));
  }
  return out;
}

void append(Micros& all, const Micros& more) { all.insert(all.end(), more.begin(), more.end()); }

}  // namespace

void idle_latency(Bench& bench, Section& section) {
  const long messages = bench.options.size(1'000, 30);
  struct Way {
    const char* name;
    std::function<Micros()> measure;
    Micros all;
    std::vector<double> medians;  // of each round
  };
  Way ways[] = {
      {"PING by hiredis, one at once after the other",
       [&] { return pings(bench, false, messages); },
       {},
       {}},
      {"PING by hiredis, every 3 ms", [&] { return pings(bench, true, messages); }, {}, {}},
      {"produce, wake, claim by hiredis, every 3 ms",
       [&] { return by_hiredis(bench, messages); },
       {},
       {}},
      {"library, produced on the loop, every 3 ms",
       [&] { return by_library(bench, true, messages); },
       {},
       {}},
      {"library, produced by a thread, every 3 ms",
       [&] { return by_library(bench, false, messages); },
       {},
       {}},
  };
  for (int round = 0; round < bench.options.rounds; ++round) {
    for (Way& way : ways) {
      const Micros one = way.measure();
      way.medians.push_back(median(one));
      append(way.all, one);
    }
  }
  for (const Way& way : ways) {
    std::vector<double> quick;
    std::vector<double> paced;
    for (std::size_t i = 0; i < way.medians.size(); ++i) {
      quick.push_back(way.medians[i] / ways[0].medians[i]);
      paced.push_back(way.medians[i] / ways[1].medians[i]);
    }
    Row row;
    row.label("variant", way.name);
    row.number("p50 us", "p50_us", median(way.all), 1);
    row.number("p99 us", "p99_us", quantile(way.all, 0.99), 1);
    row.number("p99.9 us", "p999_us", quantile(way.all, 0.999), 1);
    row.number("max us", "max_us", quantile(way.all, 1), 1);
    row.number("p50 in PINGs", "p50_in_pings", median(quick), 2);
    row.number("in PINGs every 3 ms", "p50_in_paced_pings", median(paced), 2);
    row.data("samples", way.all.size());
    row.data("round_p50_us", way.medians);
    if (&way == &ways[3]) {
      section.target("idle latency p50, in PINGs every 3 ms", median(paced), at_most(3), 2);
      section.target("idle latency p50, in PINGs one at once after the other", median(quick),
                     at_most(3), 2);
      section.target("idle latency p99, ms", quantile(way.all, 0.99) / 1e3, at_most(1), 2);
    }
    section.add(std::move(row));
  }
}

}  // namespace bench

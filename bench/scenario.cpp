#include "scenario.hpp"

#include <algorithm>
#include <array>

#include "passes.hpp"
#include "samples.hpp"

namespace bench {

std::span<const Scenario> scenarios() {
  static constexpr auto all = std::to_array<Scenario>({
      {"end_to_end", "one process produces one message at a time, handles and acknowledges",
       end_to_end},
      {"produce", "produce only: 10,000 concurrent awaits, produce_batch, one awaiting loop",
       produce},
      {"consume", "consume only, from a filled topic: coroutine handler, blocking handler",
       consume},
      {"defaults",
       "the default configuration beside a tuned one: handlers that do nothing, or 5 ms", defaults},
      {"idle_latency", "from a produce call to its handler when nothing else goes on",
       idle_latency},
      {"lateness", "how late delayed messages start", lateness},
      {"in_flight", "acknowledging while 10 to 100,000 other messages are held", in_flight},
      {"backlog", "produce and consume while 1,000 to 10 million messages wait", backlog},
      {"topics", "1 to 1,000 topics", topics},
      {"payloads", "20 B to 1 MiB of payload", payloads},
      {"processes", "1 to 16 worker processes consume a filled topic", processes},
      {"idle", "commands of consumers that have nothing to do", idle},
      {"cluster", "end to end on a Redis Cluster of three nodes, beside one server", cluster},
      {"wait_replicas", "producing that waits for a replica, beside producing that does not",
       wait_replicas},
      {"partitions",
       "a topic of 4 to 64 partitions on one server, beside one of a single partition", partitions},
#ifdef MX_RMQ_WITH_TLS
      {"tls", "end to end over TLS, beside plain TCP; how long a new queue takes to connect", tls},
#endif
  });
  return all;
}

Compared compare(Bench& bench, long messages, const Pass& library, const Pass& limit) {
  Compared out;
  const auto pass = [&](const Pass& what, long count) {
    bench.redis.flush_all();
    return what(count);
  };
  const long warm_up = std::max(1L, messages / 5);
  pass(library, warm_up);
  pass(limit, warm_up);
  for (int i = 0; i < bench.options.rounds; ++i) {
    out.library.push_back(pass(library, messages));
    out.limit.push_back(pass(limit, messages));
  }
  return out;
}

LimitShape calibrate(Bench& bench, Section& section) {
  constexpr std::array<LimitShape, 5> shapes{{{100, 4}, {100, 16}, {300, 4}, {300, 16}, {1000, 4}}};
  const long messages = bench.options.size(100'000, 3'000);
  const int rounds = bench.options.quick ? 1 : 3;
  std::array<std::vector<double>, shapes.size()> rates;
  for (int round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      bench.redis.flush_all();
      Limit limit(bench.redis, {"bench"}, usual_payload, shapes[i]);
      const Round done = limit_cycle(bench.redis, limit, messages);
      if (round > 0) rates[i].push_back(done.rate());  // the first one warms up
    }
  }
  double most = 0;
  for (const std::vector<double>& each : rates) most = std::max(most, median(each));
  std::size_t best = shapes.size();  // the smallest one that is as good as any, give or take noise
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (best == shapes.size() && median(rates[i]) >= 0.97 * most) best = i;
    Row row;
    row.label("shape", std::to_string(shapes[i].batch) + " a batch, " +
                           std::to_string(shapes[i].depth) + " under way");
    row.number("messages/s", "rate", median(rates[i]), 0);
    section.add(std::move(row));
  }
  section.note("chosen: " + std::to_string(shapes[best].batch) + " a batch, " +
               std::to_string(shapes[best].depth) + " under way");
  section.value("batch", shapes[best].batch);
  section.value("depth", shapes[best].depth);
  bench.redis.flush_all();
  return shapes[best];
}

}  // namespace bench

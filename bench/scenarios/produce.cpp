// Producing alone.
#include "library.hpp"
#include "scenario.hpp"

namespace bench {
namespace {

Round by_library(Bench& bench, int callers, int batch, long messages) {
  Library library(bench.url, LibraryShape());
  library.connect();
  // The producer's connection is another one than initialize() tried.
  library.launch(1, 1);
  library.finish();
  Measure measure(bench.redis);
  if (batch == 0) {
    library.launch(messages, callers);
  } else {
    library.launch_batches(messages, callers, batch);
  }
  library.finish();
  return measure.end(static_cast<double>(messages));
}

Round by_limit(Bench& bench, LimitShape shape, long messages) {
  Limit limit(bench.redis, {"bench"}, usual_payload, shape);
  Measure measure(bench.redis);
  limit.produce(messages);
  return measure.end(static_cast<double>(messages));
}

}  // namespace

void produce(Bench& bench, Section& section) {
  struct Variant {
    std::string name;
    int callers;
    int batch;  // 0: single messages
    long messages;
    LimitShape limit;
  };
  const long many = bench.options.size(300'000, 3'000);
  const long few = bench.options.size(20'000, 300);
  const Variant variants[] = {
      {"10,000 callers, one message each time", 10'000, 0, many, bench.shape},
      {"1,000 callers, one message each time", 1'000, 0, many, bench.shape},
      {"produce_batch of 100, 1 caller", 1, 100, many, bench.shape},
      {"produce_batch of 1,000, 1 caller", 1, 1'000, many, bench.shape},
      {"produce_batch of 1,000, 4 callers", 4, 1'000, many, bench.shape},
      {"1 caller, one message each time (limit: one EVALSHA at a time)", 1, 0, few, {1, 1}},
  };
  for (const Variant& each : variants) {
    const Compared both = compare(
        bench, each.messages,
        [&](long n) { return by_library(bench, each.callers, each.batch, n); },
        [&](long n) { return by_limit(bench, each.limit, n); });
    section.add(throughput(each.name, both.library, both.limit));
  }
}

}  // namespace bench

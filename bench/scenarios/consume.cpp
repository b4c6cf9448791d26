// Consuming alone, from a topic that the limit has filled.
#include "library.hpp"
#include "scenario.hpp"

namespace bench {
namespace {

// From the start of consuming to the last acknowledgement.
Round by_library(Bench& bench, const LibraryShape& shape, long messages) {
  Limit filler(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
  filler.produce(messages);
  Library library(bench.url, shape);
  library.connect();
  Measure measure(bench.redis);
  library.consume();
  library.handled().wait_for(messages);
  wait_completed(bench.redis, shape.topics, messages);
  return measure.end(static_cast<double>(messages));
}

Round by_limit(Bench& bench, const LibraryShape& shape, long messages) {
  Limit limit(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
  limit.produce(messages);
  Measure measure(bench.redis);
  limit.consume(messages);
  return measure.end(static_cast<double>(messages));
}

}  // namespace

void consume(Bench& bench, Section& section) {
  for (const bool blocking : {false, true}) {
    for (const int queue_size : {256, 2'048}) {
      LibraryShape shape;
      shape.blocking = blocking;
      shape.queue_size = queue_size;
      const long messages = bench.options.size(blocking ? 100'000 : 300'000, 2'000);
      const Compared both = compare(
          bench, messages, [&](long n) { return by_library(bench, shape, n); },
          [&](long n) { return by_limit(bench, shape, n); });
      section.add(throughput(std::string(blocking ? "blocking" : "coroutine") +
                                 " handler, task_queue_size " + grouped(queue_size) +
                                 ", max_workers " + grouped(shape.workers),
                             both.library, both.limit));
    }
  }
}

}  // namespace bench

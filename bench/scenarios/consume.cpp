// Consuming alone, from a topic that the limit has filled.
#include <algorithm>

#include "passes.hpp"

namespace bench {

void consume(Bench& bench, Section& section) {
  for (const bool blocking : {false, true}) {
    double best = 0;
    for (const int queue_size : {256, 2'048}) {
      LibraryShape shape;
      shape.blocking = blocking;
      shape.queue_size = queue_size;
      const long messages = bench.options.size(blocking ? 100'000 : 300'000, 2'000);
      const Compared both = compare(
          bench, messages, [&](long n) { return library_consume(bench, shape, n); },
          [&](long n) { return limit_consume(bench, shape, n); });
      Row row = throughput(std::string(blocking ? "blocking" : "coroutine") +
                               " handler, task_queue_size " + grouped(queue_size) +
                               ", max_workers " + grouped(shape.workers),
                           both.library, both.limit);
      best = std::max(best, row.get("ratio"));
      section.add(std::move(row));
    }
    if (!blocking) section.target("consume only, of the limit", best, at_least(0.70), 2);
  }
}

}  // namespace bench

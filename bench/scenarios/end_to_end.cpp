// One process produces by single awaits, handles in a coroutine that does nothing, acknowledges.
#include <algorithm>

#include "library.hpp"
#include "scenario.hpp"

namespace bench {
namespace {

Round cycle(Bench& bench, const LibraryShape& shape, int callers, long messages) {
  Library library(bench.url, shape);
  library.consume();
  Measure measure(bench.redis);
  library.launch(messages, callers);
  library.handled().wait_for(messages);
  wait_completed(bench.redis, shape.topics, messages);
  const Round round = measure.end(static_cast<double>(messages));
  library.finish();
  return round;
}

}  // namespace

void end_to_end(Bench& bench, Section& section) {
  const long messages = bench.options.size(200'000, 2'000);
  double best = 0;
  for (const int callers : {100, 1'000, 10'000}) {
    for (const int queue_size : {256, 2'048}) {
      LibraryShape shape;
      shape.queue_size = queue_size;
      const Compared both = compare(
          bench, messages, [&](long n) { return cycle(bench, shape, callers, n); },
          [&](long n) {
            Limit limit(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
            return limit_cycle(bench.redis, limit, n);
          });
      const std::string variant = grouped(callers) + " callers, task_queue_size " +
                                  grouped(queue_size) + ", max_workers " + grouped(shape.workers);
      Row row = throughput(variant, both.library, both.limit);
      best = std::max(best, row.json().at("ratio").get<double>());
      section.add(std::move(row));
    }
  }
  section.value("best_ratio", best);
}

}  // namespace bench

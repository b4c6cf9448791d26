// One process produces by single awaits, handles in a coroutine that does nothing, acknowledges.
#include <algorithm>

#include "passes.hpp"

namespace bench {

void end_to_end(Bench& bench, Section& section) {
  const long messages = bench.options.size(200'000, 2'000);
  double best_ratio = 0;
  double best_rate = 0;
  double its_limit = 0;
  for (const int callers : {100, 1'000, 10'000}) {
    for (const int queue_size : {256, 2'048}) {
      LibraryShape shape;
      shape.queue_size = queue_size;
      const Compared both = compare(
          bench, messages, [&](long n) { return library_cycle(bench, shape, Callers{callers}, n); },
          [&](long n) { return limit_cycle(bench, shape, n); });
      const std::string variant = grouped(callers) + " callers, task_queue_size " +
                                  grouped(queue_size) + ", max_workers " + grouped(shape.workers);
      Row row = throughput(variant, both.library, both.limit);
      if (row.get("ratio") > best_ratio) {
        best_ratio = row.get("ratio");
        best_rate = row.get("rate");
        its_limit = row.get("limit_rate");
      }
      section.add(std::move(row));
    }
  }
  section.target("end to end, of the limit (best configuration)", best_ratio, at_least(0.70), 2);
  if (its_limit >= 200'000)
    section.target("end to end, messages a second", best_rate, at_least(100'000), 0);
}

}  // namespace bench

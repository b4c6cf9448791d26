// Several worker processes consume one filled topic.
#include "passes.hpp"
#include "worker.hpp"

namespace bench {

void processes(Bench& bench, Section& section) {
  const long messages = bench.options.size(300'000, 2'000);
  for (const int count : {1, 2, 4, 8, 16}) {
    if (bench.options.quick && count > 4) break;
    const Compared both = compare(
        bench, messages, [&](long n) { return consume_by_processes(bench, count, n); },
        [&](long n) { return limit_consume(bench, LibraryShape(), n); });
    section.add(throughput(std::to_string(count) + (count == 1 ? " process" : " processes"),
                           both.library, both.limit));
  }
}

}  // namespace bench

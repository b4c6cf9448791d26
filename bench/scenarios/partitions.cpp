// What partitions cost where they bring nothing: on one server.
#include "passes.hpp"

namespace bench {

void partitions(Bench& bench, Section& section) {
  const long messages = bench.options.size(100'000, 2'000);
  LibraryShape plain;
  plain.queue_size = 2'048;
  for (const int count : {4, 16, 64}) {
    LibraryShape shape = plain;
    shape.partitions = count;
    const Compared both = compare(
        bench, messages, [&](long n) { return library_cycle(bench, shape, Callers{1'000}, n); },
        [&](long n) { return library_cycle(bench, plain, Callers{1'000}, n); });
    Row row = throughput(std::to_string(count) + " partitions, beside one: 1,000 callers",
                         both.library, both.limit);
    if (count == 16)
      section.target("16 partitions on one server, of one partition", row.get("ratio"),
                     at_least(0.9), 2);
    section.add(std::move(row));
  }
}

}  // namespace bench

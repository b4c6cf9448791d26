// Producing alone.
#include "passes.hpp"

namespace bench {

void produce(Bench& bench, Section& section) {
  struct Variant {
    std::string name;
    Callers callers;
    long messages;
    LimitShape limit;
    std::string target;
    double least;
  };
  const long many = bench.options.size(300'000, 3'000);
  const long few = bench.options.size(20'000, 300);
  const std::string batches = "produce_batch, of the limit";
  const Variant variants[] = {
      {"10,000 callers, one message each time",
       {10'000, 0},
       many,
       bench.shape,
       "10,000 concurrent single awaits, of the limit",
       0.60},
      {"1,000 callers, one message each time", {1'000, 0}, many, bench.shape, "", 0},
      {"produce_batch of 100, 1 caller", {1, 100}, many, bench.shape, "", 0},
      {"produce_batch of 1,000, 1 caller",
       {1, 1'000},
       many,
       bench.shape,
       batches + ", 1 caller",
       0.75},
      {"produce_batch of 1,000, 4 callers",
       {4, 1'000},
       many,
       bench.shape,
       batches + ", 4 callers",
       0.75},
      {"1 caller, one message each time (limit: one EVALSHA at a time)",
       {1, 0},
       few,
       {1, 1},
       "",
       0},
  };
  const LibraryShape shape;
  for (const Variant& each : variants) {
    const Compared both = compare(
        bench, each.messages,
        [&](long n) { return library_produce(bench, shape, each.callers, n); },
        [&](long n) { return limit_produce(bench, shape, each.limit, n); });
    Row row = throughput(each.name, both.library, both.limit);
    if (!each.target.empty())
      section.target(each.target, row.get("ratio"), at_least(each.least), 2);
    section.add(std::move(row));
  }
}

}  // namespace bench

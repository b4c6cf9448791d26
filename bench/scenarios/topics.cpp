// The whole cycle over 1 to 1,000 topics.
#include "passes.hpp"
#include "samples.hpp"

namespace bench {
namespace {

struct Way {
  std::string name;
  Callers callers;
};

}  // namespace

void topics(Bench& bench, Section& section) {
  const long messages = bench.options.size(200'000, 4'000);
  // Single awaits over many topics make small batches: 10,000 over 1,000 topics are 10 a topic. With
  // produce_batch calls of one topic each the batches are the same whatever the number of topics.
  const Way ways[] = {{"10,000 callers", {10'000, 0}},
                      {"produce_batch of 100, 10 callers", {10, 100}}};
  for (const Way& way : ways) {
    std::vector<double> redis;
    std::vector<double> rates;
    for (const int count : {1, 10, 100, 1'000}) {
      if (bench.options.quick && count > 100) break;
      LibraryShape shape;
      shape.queue_size = 2'048;
      shape.topics.clear();
      for (int i = 0; i < count; ++i) shape.topics.push_back("bench" + std::to_string(i));
      const Compared both = compare(
          bench, messages, [&](long n) { return library_cycle(bench, shape, way.callers, n); },
          [&](long n) { return limit_cycle(bench, shape, n); });
      Row row = throughput(grouped(count) + (count == 1 ? " topic, " : " topics, ") + way.name,
                           both.library, both.limit);
      redis.push_back(row.json()["library"]["redis_cpu_us_per_message"]["median"]);
      rates.push_back(1 / row.get("rate"));
      section.add(std::move(row));
    }
    section.target(way.name + ": Redis CPU a message, 1 to 1,000 topics, max/min - 1",
                   unevenness(redis), at_most(0.25), 2);
    section.target(way.name + ": time a message, 1 to 1,000 topics, max/min - 1", unevenness(rates),
                   at_most(0.25), 2);
  }
}

}  // namespace bench

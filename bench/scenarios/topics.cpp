// The whole cycle over 1 to 1,000 topics.
#include "flatness.hpp"

namespace bench {
namespace {

struct Way {
  std::string name;
  Callers callers;
};

LibraryShape shape_of(int topics) {
  LibraryShape shape;
  shape.queue_size = 2'048;
  shape.topics.clear();
  for (int i = 0; i < topics; ++i) shape.topics.push_back("bench" + std::to_string(i));
  return shape;
}

}  // namespace

void topics(Bench& bench, Section& section) {
  const long messages = bench.options.size(100'000, 4'000);
  // Single awaits over many topics make small batches: 10,000 over 1,000 topics are 10 a topic.
  // With produce_batch calls of one topic each the batches are the same whatever the number of
  // topics.
  const Way ways[] = {{"10,000 callers", {10'000, 0}},
                      {"produce_batch of 100, 10 callers", {10, 100}}};
  for (const Way& way : ways) {
    Flatness flatness;
    for (const int count : {1, 10, 100, 1'000}) {
      if (bench.options.quick && count > 100) break;
      const auto library = [&](int topics) {
        return [&, topics](long n) {
          bench.redis.flush_all();
          return library_cycle(bench, shape_of(topics), way.callers, n);
        };
      };
      const FlatVariant all =
          measure_flat(bench, messages, library(1), library(count), [&](long n) {
            bench.redis.flush_all();
            return limit_cycle(bench, shape_of(count), n);
          });
      Row row = throughput(grouped(count) + (count == 1 ? " topic, " : " topics, ") + way.name,
                           all.library, all.limit);
      flatness.add(row, all);
      section.add(std::move(row));
    }
    flatness.judge(section, "1 to 1,000 topics, " + way.name, 0.25);
  }
}

}  // namespace bench

// What consumers that have nothing to do ask of Redis.
#include <thread>

#include "passes.hpp"

namespace bench {

void idle(Bench& bench, Section& section) {
  const std::chrono::milliseconds span(bench.options.size(40'000, 1'000));
  for (const int count : {1, 10, 100}) {
    LibraryShape shape;
    shape.topics.clear();
    for (int i = 0; i < count; ++i) shape.topics.push_back("bench" + std::to_string(i));
    bench.redis.flush_all();
    Library library(bench.url, shape);
    library.consume();
    // What follows a start is not idleness.
    std::this_thread::sleep_for(std::chrono::milliseconds(bench.options.size(1'000, 100)));
    Measure measure(bench.redis);
    std::this_thread::sleep_for(span);
    const Round round = measure.end(1);
    const double a_second = round.commands / round.seconds;
    Row row;
    row.label("variant", grouped(count) + (count == 1 ? " topic" : " topics"));
    row.number("seconds", "seconds", round.seconds, 0);
    row.number("commands/s", "commands_per_second", a_second, 2);
    row.number("a topic", "commands_per_second_and_topic", a_second / count, 3);
    row.number("Redis CPU us/s", "redis_cpu_us_per_second", round.redis_cpu / round.seconds, 0);
    row.number("client CPU us/s", "client_cpu_us_per_second", round.client_cpu / round.seconds, 0);
    section.add(std::move(row));
    if (count == 1)
      section.target("idle consumer of one topic, commands a second", a_second, at_most(0.2), 2);
  }
}

}  // namespace bench

#include "passes.hpp"

#include <stdexcept>
#include <thread>

#include "broker/data/keys.hpp"
#include "broker/data/partitions.hpp"

namespace bench {

long completed(Plain& redis, const std::vector<std::string>& topics) {
  long sum = 0;
  for (const std::string& topic : topics) {
    const mx_rmq::broker::TopicKeys keys("", topic);
    redis.append({"HGET", keys.stats, "completed"});
  }
  for (std::size_t i = 0; i < topics.size(); ++i) sum += as_number(redis.receive());
  return sum;
}

void wait_completed(Plain& redis, const std::vector<std::string>& topics, long messages) {
  const auto patience = std::chrono::seconds(60);
  auto moved = Clock::now();
  long before = -1;
  for (;;) {
    const long now = completed(redis, topics);
    if (now >= messages) return;
    if (now != before) moved = Clock::now();
    before = now;
    if (Clock::now() - moved > patience)
      throw std::runtime_error("nothing moves: " + std::to_string(now) + " of " +
                               std::to_string(messages) + " messages were acknowledged");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void wait_rested(Plain& redis) {
  constexpr auto rest = std::chrono::milliseconds(20);
  const auto give_up = Clock::now() + std::chrono::seconds(10);
  double before = -1;
  for (double now = 0; Clock::now() < give_up; before = now) {
    now = top_level(redis.info("commandstats")).commands;
    if (now == before) return;
    std::this_thread::sleep_for(rest);
  }
  throw std::runtime_error("a consumer with nothing to do does not rest");
}

Round limit_cycle(Plain& redis, Limit& limit, long messages) {
  Measure measure(redis);
  limit.produce(messages);
  limit.consume(messages);
  return measure.end(static_cast<double>(messages));
}

Round limit_cycle(Bench& bench, const LibraryShape& shape, long messages) {
  Limit limit(bench.redis, shape.topics, shape.payload_bytes,
              Limit::fit(bench.shape, shape.payload_bytes));
  return limit_cycle(bench.redis, limit, messages);
}

Round limit_produce(Bench& bench, const LibraryShape& shape, LimitShape limit_shape,
                    long messages) {
  Limit limit(bench.redis, shape.topics, shape.payload_bytes, limit_shape);
  Measure measure(bench.redis);
  limit.produce(messages);
  return measure.end(static_cast<double>(messages));
}

Round limit_consume(Bench& bench, const LibraryShape& shape, long messages) {
  Limit limit(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
  limit.produce(messages);
  Measure measure(bench.redis);
  limit.consume(messages);
  return measure.end(static_cast<double>(messages));
}

namespace {

// The hash tags of all partitions.
std::vector<std::string> tags_of(const LibraryShape& shape) {
  std::vector<std::string> out;
  for (const std::string& topic : shape.topics) {
    for (int i = 0; i < shape.partitions; ++i)
      out.push_back(mx_rmq::broker::partition_tag(topic, i));
  }
  return out;
}

}  // namespace

Round library_cycle(Bench& bench, const LibraryShape& shape, Callers callers, long messages) {
  Library library(bench.url, shape);
  library.consume();
  wait_rested(bench.redis);
  Measure measure(bench.redis);
  library.launch(messages, callers.count, callers.batch);
  library.handled().wait_for(messages);
  wait_completed(bench.redis, tags_of(shape), messages);
  const Round round = measure.end(static_cast<double>(messages));
  library.finish();
  return round;
}

Round library_produce(Bench& bench, const LibraryShape& shape, Callers callers, long messages) {
  Library library(bench.url, shape);
  library.connect();
  // The producer's connection is another one than connect() tried.
  library.launch(1, 1);
  library.finish();
  Measure measure(bench.redis);
  library.launch(messages, callers.count, callers.batch);
  library.finish();
  return measure.end(static_cast<double>(messages));
}

Round library_consume(Bench& bench, const LibraryShape& shape, long messages) {
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

}  // namespace bench

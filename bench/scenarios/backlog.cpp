// Producing and consuming while a backlog waits: neither may cost more for it.
#include <algorithm>

#include "flatness.hpp"
#include "samples.hpp"
#include "support/redis_server.hpp"

namespace bench {
namespace {

double used_memory(Plain& redis) { return info_number(redis.info("memory"), "used_memory"); }

long ready(Plain& redis) {
  const mx_rmq::broker::TopicKeys keys("", "bench");
  return redis.number({"LLEN", keys.ready(mx_rmq::broker::List::normal)});
}

// Producing and consuming as one: a message passes both.
Round sum(const Round& produced, const Round& consumed, double messages) {
  const double scale = messages / consumed.messages;  // it may have taken some more
  Round out = produced;
  out.seconds += consumed.seconds * scale;
  out.redis_cpu += consumed.redis_cpu * scale;
  out.script_time += consumed.script_time * scale;
  out.client_cpu += consumed.client_cpu * scale;
  out.allocations += consumed.allocations * scale;
  out.commands += consumed.commands * scale;
  out.peak_rss = std::max(out.peak_rss, consumed.peak_rss);
  if (out.script_p999 && consumed.script_p999)
    out.script_p999 = std::max(*out.script_p999, *consumed.script_p999);
  return out;
}

Round by_library(Bench& bench, long messages) {
  const LibraryShape shape;
  const Round produced = library_produce(bench, shape, Callers{1'000}, messages);
  Library library(bench.url, shape);
  library.connect();
  const long before = completed(bench.redis, shape.topics);
  Measure measure(bench.redis);
  library.consume();
  library.handled().wait_for(messages);
  wait_completed(bench.redis, shape.topics, before + messages);
  const long done = completed(bench.redis, shape.topics) - before;
  const Round consumed = measure.end(static_cast<double>(done));
  library.stop();
  return sum(produced, consumed, static_cast<double>(messages));
}

// Brings the backlog to that many; the messages are the same as the limit's.
void fill(Bench& bench, long backlog) {
  Limit filler(bench.redis, {"bench"}, usual_payload, {1'000, 4});
  filler.produce(std::max(0L, backlog - ready(bench.redis)));
}

}  // namespace

void backlog(Bench& bench, Section& section) {
  const long messages = bench.options.size(30'000, 1'000);
  constexpr long least = 1'000;
  std::vector<long> sizes{least, 1'000'000, 5'000'000, 10'000'000};
  if (bench.options.quick) sizes = {least, 10'000};
  limit_cycle(bench, LibraryShape(), 1'000);  // what the server keeps for scripts and clients
  const double empty = used_memory(bench.redis);

  // The reference has the least backlog, on a server of its own.
  mx_rmq::test::RedisServer other;
  Plain plain(other.url());
  track_latency(plain);
  Bench reference{bench.options, other.url(), plain, bench.shape, bench.program};

  Flatness flatness;
  std::vector<double> memory;
  for (const long size : sizes) {
    fill(bench, size);
    const double bytes = (used_memory(bench.redis) - empty) / static_cast<double>(size);
    const auto pass = [&](Bench& where, long backlog) {
      return [&where, backlog](long n) {
        fill(where, backlog);
        return by_library(where, n);
      };
    };
    const FlatVariant all =
        measure_flat(bench, messages, pass(reference, least), pass(bench, size), [&](long n) {
          fill(bench, size);
          return limit_cycle(bench, LibraryShape(), n);
        });
    Row row = throughput(grouped(static_cast<double>(size)) + " wait", all.library, all.limit);
    row.number("bytes a queued message", "bytes_per_queued_message", bytes, 0);
    flatness.add(row, all);
    memory.push_back(row.get("rss_mb"));
    section.add(std::move(row));
  }
  flatness.judge(section, "backlog of 1,000 to 10 million", 0.10);
  section.target("client RSS, backlog of 1,000 to 10 million, max/min - 1", unevenness(memory),
                 at_most(0.10), 2);
}

}  // namespace bench

// What a Cluster costs: the same topics on three nodes, beside one server, over TCP both.
#include <algorithm>
#include <vector>

#include "cluster_under_test.hpp"
#include "passes.hpp"
#include "samples.hpp"

namespace bench {
namespace {

constexpr std::size_t nodes = 3;

std::vector<double> client_cpu(const std::vector<Round>& rounds) {
  std::vector<double> out;
  for (const Round& each : rounds) out.push_back(each.client_cpu / each.messages);
  return out;
}

}  // namespace

void cluster(Bench& bench, Section& section) {
  ClusterUnderTest servers(nodes);
  const mx_rmq::test::RedisServer one({.tcp = true});
  Plain one_redis(one.url());
  track_latency(one_redis);
  Bench on_one{bench.options, one.tcp_url(), one_redis, bench.shape, bench.program};
  const long messages = bench.options.size(150'000, 2'000);
  for (const int queue_size : {256, 2'048}) {
    for (const int callers : {1'000, 10'000}) {
      LibraryShape shape;
      shape.queue_size = queue_size;
      shape.topics = servers.topics(1);
      const Compared both = compare(
          bench, messages,
          [&](long n) {
            servers.flush_all();
            return servers.cycle(shape, callers, n).round;
          },
          [&](long n) {
            one_redis.flush_all();
            return library_cycle(on_one, shape, Callers{callers}, n);
          });
      Row row = throughput("three nodes, beside one server: " + grouped(callers) +
                               " callers, task_queue_size " + grouped(queue_size),
                           both.library, both.limit);
      const double cpu = median_ratio(client_cpu(both.library), client_cpu(both.limit));
      row.number("client CPU of one server's", "client_cpu_of_one_server", cpu, 2);
      if (callers == 1'000 && queue_size == 2'048) {
        section.target("Cluster: client CPU a message, of one server's", cpu, at_most(1.10), 2);
        section.target("Cluster: messages/s of three nodes, of one server's", row.get("ratio"),
                       at_least(1), 2);
      }
      section.add(std::move(row));
    }
  }
}

}  // namespace bench

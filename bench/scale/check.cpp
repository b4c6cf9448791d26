#include "scale/check.hpp"

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "cluster_under_test.hpp"
#include "library.hpp"
#include "samples.hpp"
#include "scale/model.hpp"

namespace bench::scale {
namespace {

constexpr int callers = 1'000;

// As the measured one: a process that produces to its topics in turn and handles at once, until all
// is acknowledged; nodes and process share the cores.
System like_the_measured(int nodes, int topics, const LibraryShape& shape, long messages) {
  System out;
  out.nodes = nodes;
  out.processes = 1;
  out.partitions = topics;
  out.cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  out.round_trip = 30;
  out.workers = shape.workers;
  out.queue_size = shape.queue_size;
  out.window = callers;
  out.job = messages;
  out.sticky = false;
  return out;
}

}  // namespace

void check(const Costs& costs, bool quick, int rounds) {
  const long messages = quick ? 3'000 : 200'000;
  std::printf(
      "\nThe model beside a measured run: one process produces (%d callers) and handles; it\n"
      "and the nodes share %u cores.\n\n",
      callers, std::thread::hardware_concurrency());
  std::printf("%5s %6s %21s %21s %25s %16s\n%5s %6s %10s %10s %10s %10s %14s %10s %8s %7s\n", "",
              "", "server us a message", "process us a message", "messages/s", "connections",
              "nodes", "topics", "measured", "modelled", "measured", "modelled", "measured",
              "modelled", "measured", "modelled");
  for (const int nodes : {1, 3}) {
    ClusterUnderTest servers(static_cast<std::size_t>(nodes));
    for (const int each : {1, 4}) {
      LibraryShape shape;
      shape.queue_size = 2'048;
      shape.topics = servers.topics(static_cast<std::size_t>(each));
      std::vector<double> rates;
      std::vector<double> connections;
      std::vector<double> server_us;
      std::vector<double> process_us;
      for (int round = 0; round <= rounds; ++round) {
        servers.flush_all();
        const ClusterUnderTest::Cycle cycle =
            servers.cycle(shape, callers, round == 0 ? std::max(1L, messages / 5) : messages);
        if (round == 0) continue;  // warms up
        rates.push_back(cycle.round.rate());
        server_us.push_back(cycle.round.redis_cpu / cycle.round.messages);
        process_us.push_back(cycle.round.client_cpu / cycle.round.messages);
        connections.push_back(static_cast<double>(cycle.connections));
      }
      const Outcome model =
          run(like_the_measured(nodes, nodes * each, shape, messages), costs, 1e6);
      std::printf("%5d %6d %10.2f %10.2f %10.2f %10.2f %14.0f %10.0f %8.0f %7.0f\n", nodes,
                  nodes * each, median(server_us), model.node_us, median(process_us),
                  model.process_us, median(rates), model.rate, median(connections),
                  model.connections);
      std::fflush(stdout);
    }
  }
}

}  // namespace bench::scale

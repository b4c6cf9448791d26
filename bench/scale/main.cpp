// mx-rmq-scale: see --help.
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/log.hpp"
#include "scale/check.hpp"
#include "scale/costs.hpp"
#include "scale/model.hpp"

namespace {

using namespace bench::scale;

constexpr const char* usage =
    R"(usage: mx-rmq-scale [--nodes N[,N...]] [--processes N[,N...]] [--partitions N[,N...]]
                    [--handler US] [--round-trip US] [--workers N] [--queue-size N]
                    [--costs FILE] [--save-costs FILE] [--check] [--quick]
       mx-rmq-scale --help

How a topic with many partitions fares on many nodes with many processes, on virtual time: each node
and each process is a core of its own, and its work takes what was measured on this machine. Prints
a line for each combination of nodes, processes and partitions that is named; without any, three
tables: more nodes, more processes, more partitions.

  --nodes N,...       masters of a Cluster, 1 to 1000
  --processes N,...   that produce and consume, 1 to 10000
  --partitions N,...  of the topic, 1 to 1024
  --handler US        what a message takes in its handler, without CPU; 0: nothing (default 0)
  --round-trip US     between a process and a node (default 100)
  --workers N         handlers at the same time in each process (default 100)
  --queue-size N      prefetched messages of each process (default 256)
  --window N          messages that each process has in the system (default 1000)
  --costs FILE        takes the measured times from there, and measures none
  --save-costs FILE   writes them there
  --check             shows the model beside measured runs on a Cluster of one and of three nodes:
                      CPU times can be compared on any machine, messages/s on a quiet one
  --quick             small sizes: shows that everything runs, and no figure that counts

messages/s       acknowledged
node busy        of the nodes' time, on average, and of the busiest one
process busy     of the processes' time
calls            of scripts, a message
a claim          messages of a claim that found any
wake-ups         of idle processes, a message; `passed`: of those, passed on for want of room
wait ms          of a message in its list
connections      of all processes together, and at each node
listed s         until all have been listed as idle, if all begin, or reconnect, at once
)";

struct Arguments {
  System system;
  std::vector<long> nodes;
  std::vector<long> processes;
  std::vector<long> partitions;
  std::string costs;
  std::string save;
  bool check = false;
  bool quick = false;
  bool help = false;
};

long number(std::string_view option, std::string_view text, long least, long most) {
  long out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || out < least || out > most)
    throw std::invalid_argument(std::string(option) + " needs " + std::to_string(least) + " to " +
                                std::to_string(most) + ", not " + std::string(text));
  return out;
}

std::vector<long> numbers(std::string_view option, std::string_view text, long most) {
  std::vector<long> out;
  for (;;) {
    const std::size_t comma = text.find(',');
    out.push_back(number(option, text.substr(0, comma), 1, most));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  out.system.workers = 100;
  out.system.queue_size = 256;
  out.system.window = 1'000;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&]() -> std::string_view {
      if (++i == argc) throw std::invalid_argument(std::string(option) + " needs a value");
      return argv[i];
    };
    const auto one = [&](long least, long most) { return number(option, value(), least, most); };
    if (option == "--help" || option == "-h") {
      out.help = true;
    } else if (option == "--nodes") {
      out.nodes = numbers(option, value(), 1'000);
    } else if (option == "--processes") {
      out.processes = numbers(option, value(), 10'000);
    } else if (option == "--partitions") {
      out.partitions = numbers(option, value(), 1'024);
    } else if (option == "--handler") {
      out.system.handler = static_cast<double>(one(0, 3'600'000'000));
    } else if (option == "--round-trip") {
      out.system.round_trip = static_cast<double>(one(1, 1'000'000));
    } else if (option == "--workers") {
      out.system.workers = static_cast<int>(one(1, 100'000));
    } else if (option == "--queue-size") {
      out.system.queue_size = static_cast<int>(one(0, 100'000));
    } else if (option == "--window") {
      out.system.window = static_cast<int>(one(1, 1'000'000));
    } else if (option == "--costs") {
      out.costs = value();
    } else if (option == "--save-costs") {
      out.save = value();
    } else if (option == "--check") {
      out.check = true;
    } else if (option == "--quick") {
      out.quick = true;
    } else {
      throw std::invalid_argument("unknown option " + std::string(option) + " (see --help)");
    }
  }
  return out;
}

void print_costs(const Costs& costs) {
  const auto line = [](const char* what, const CallCost& cost) {
    std::printf("  %-28s %7.2f us a call + %6.3f us a message\n", what, cost.fixed, cost.each);
  };
  std::printf("CPU time\n");
  line("server: produce", costs.produce);
  line("server: claim", costs.claim);
  line("server: ack", costs.ack);
  std::printf("  %-28s %7.2f us\n", "server: one wake-up", costs.wake);
  line("process: producing", costs.producing);
  line("process: consuming", costs.consuming);
}

void print_head(const char* title) {
  std::printf("\n%s\n%6s %10s %11s %12s %10s %6s %8s %6s %8s %9s %7s %8s %12s %8s %9s\n", title,
              "nodes", "processes", "partitions", "messages/s", "node busy", "max", "process",
              "calls", "a claim", "wake-ups", "passed", "wait ms", "connections", "a node",
              "listed s");
}

void print_line(const Arguments& arguments, const Costs& costs, long nodes, long processes,
                long partitions) {
  System system = arguments.system;
  system.nodes = static_cast<int>(nodes);
  system.processes = static_cast<int>(processes);
  system.partitions = static_cast<int>(partitions);
  const Outcome out = run(system, costs, arguments.quick ? 30'000 : 300'000);
  std::printf(
      "%6ld %10ld %11ld %12.0f %10.2f %6.2f %8.2f %6.3f %8.1f %9.4f %7.4f %8.2f %12.0f "
      "%8.0f %9.2f\n",
      nodes, processes, partitions, out.rate, out.node_busy, out.busiest_node, out.process_busy,
      out.calls, out.claimed, out.woken, out.passed, out.wait_ms, out.connections,
      out.connections_a_node, out.registering_s);
  std::fflush(stdout);
}

void print_named(const Arguments& arguments, const Costs& costs) {
  const auto or_one = [](const std::vector<long>& named, long otherwise) {
    return named.empty() ? std::vector<long>{otherwise} : named;
  };
  print_head("As named");
  for (const long nodes : or_one(arguments.nodes, 1)) {
    for (const long processes : or_one(arguments.processes, 10)) {
      for (const long partitions : or_one(arguments.partitions, nodes))
        print_line(arguments, costs, nodes, processes, partitions);
    }
  }
}

void print_tables(const Arguments& arguments, const Costs& costs) {
  const long crowd = arguments.quick ? 20 : 200;
  print_head("More nodes, four partitions on each");
  for (const long nodes : {1L, 2L, 4L, 8L, 16L, 32L, 64L})
    print_line(arguments, costs, nodes, crowd, 4 * nodes);
  print_head("More processes, on 16 nodes");
  for (const long processes : {10L, 30L, 100L, 300L, 1'000L}) {
    if (arguments.quick && processes > 100) break;
    print_line(arguments, costs, 16, processes, 64);
  }
  print_head("More partitions, on 16 nodes");
  for (const long partitions : {1L, 4L, 16L, 64L, 256L, 1'024L})
    print_line(arguments, costs, 16, crowd, partitions);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    if (arguments.help) {
      std::fputs(usage, stdout);
      return 0;
    }
    mx_rmq::set_log_level(mx_rmq::LogLevel::warn);
    const Costs costs =
        arguments.costs.empty() ? measure_costs(arguments.quick) : read_costs(arguments.costs);
    print_costs(costs);
    if (!arguments.save.empty()) {
      std::ofstream file(arguments.save);
      file << to_json(costs).dump(2) << "\n";
      if (!file) throw std::runtime_error("cannot write " + arguments.save);
    }
    const bool named =
        !arguments.nodes.empty() || !arguments.processes.empty() || !arguments.partitions.empty();
    if (arguments.check) check(costs, arguments.quick, arguments.quick ? 1 : 5);
    if (named) print_named(arguments, costs);
    if (!named && !arguments.check) print_tables(arguments, costs);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "mx-rmq-scale: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mx-rmq-scale: %s\n", error.what());
    return 1;
  }
}

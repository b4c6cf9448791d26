// The long mixed run, and tables of results.
//
//   fault_run mix messages=N [round=N] [seed=N] [concurrency=N]
//       rounds of at most `round` messages, each on a server of its own with a seed one higher;
//       ends with 1 if anything did not hold
//   fault_run table file=FILE
//       the results in FILE ($MX_RMQ_FAULTS_REPORT of earlier runs) as a table in Markdown
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "faults/arena.hpp"
#include "faults/mix.hpp"
#include "faults/programs/program.hpp"

namespace mx_rmq::faults {
namespace {

int mix(const Arguments& arguments) {
  const std::int64_t wanted = arguments.number("messages", 1'000'000);
  const std::int64_t most = arguments.number("round", 200'000);
  auto seed = static_cast<std::uint64_t>(arguments.number("seed"));
  if (seed == 0) seed = seed_of_run();
  Verdict total;
  bool good = true;
  int rounds = 0;
  while (total.acknowledged < wanted) {
    MixOptions options;
    options.name = "K4 mix of all faults, round " + std::to_string(++rounds);
    options.messages = std::min(most, wanted - total.acknowledged);
    options.seed = seed++;
    options.concurrency = static_cast<int>(arguments.number("concurrency", 300));
    const Verdict verdict = run_mix(options);
    if (!verdict.holds()) {
      good = false;
      std::cout << "DOES NOT HOLD, seed " << options.seed << '\n';
    }
    std::cout << verdict.text() << std::endl;
    total.acknowledged += verdict.acknowledged;
    total.lost += verdict.lost;
    total.unexplained += verdict.unexplained;
    for (const auto& [reason, count] : verdict.explained) total.explained[reason] += count;
  }
  std::cout << rounds << " rounds, " << total.acknowledged << " messages acknowledged, "
            << total.lost << " lost, " << total.explained_total()
            << " runs more than one explained, " << total.unexplained << " not\n"
            << (good ? "all holds" : "something does not hold") << std::endl;
  return good ? 0 : 1;
}

int table(const Arguments& arguments) {
  std::ifstream file(arguments.required("file"));
  if (!file) throw std::runtime_error("cannot read " + arguments.required("file"));
  std::map<std::string, nlohmann::json> rows;  // the last of each name
  std::string line;
  while (std::getline(file, line)) {
    auto row = nlohmann::json::parse(line);
    rows[row.at("fault").get<std::string>()] = row;
  }
  std::printf(
      "| fault | messages | lost | lost as promised | handled again, explained | unexplained | "
      "longest gap | seed | "
      "server |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n");
  for (const auto& [name, row] : rows)
    std::printf("| %s | %ld | %ld | %ld | %ld | %ld | %ld ms | %lu | %s |\n", name.c_str(),
                row.at("messages").get<long>(), row.at("lost").get<long>(),
                row.at("forgotten").get<long>(), row.at("twice_explained").get<long>(),
                row.at("twice_unexplained").get<long>(), row.at("longest_gap_ms").get<long>(),
                row.at("seed").get<unsigned long>(), row.at("server").get<std::string>().c_str());
  return 0;
}

}  // namespace
}  // namespace mx_rmq::faults

int main(int argc, char** argv) {
  try {
    const std::string what = argc > 1 ? argv[1] : "";
    const mx_rmq::faults::Arguments arguments(argc - 1, argv + 1);
    if (what == "mix") return mx_rmq::faults::mix(arguments);
    if (what == "table") return mx_rmq::faults::table(arguments);
    std::fprintf(stderr, "fault_run mix|table name=value...: see the head of fault_run.cpp\n");
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fault_run: %s\n", e.what());
    return 1;
  }
}

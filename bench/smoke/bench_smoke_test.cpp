// mx-rmq-bench runs every scenario, and its JSON says what it should. How fast anything was is not
// judged: the sizes are small and the machine may be busy.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/redis_server.hpp"

namespace {

using nlohmann::json;
using namespace mx_rmq::test;

class BenchSmoke : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "bench-smoke-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Runs it to its end; gives the exit code.
  int run(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    return run_program(MX_RMQ_BENCH, std::move(arguments), std::move(environment));
  }
  int run_program(const std::string& program, std::vector<std::string> arguments,
                  std::vector<std::string> environment = {}) {
    ChildOptions options;
    options.arguments = std::move(arguments);
    options.environment = std::move(environment);
    options.output_file = directory_ + "/output";
    ChildProcess bench = ChildProcess::start(program, options);
    const auto end = bench.wait(std::chrono::seconds(240));
    output_ = bench.output();
    if (!end || !end->exited) return -1;
    return end->code;
  }
  json read(const std::string& file) {
    std::ifstream in(file);
    return json::parse(in, nullptr, false);
  }

  std::string directory_;
  std::string output_;
};

std::string without_redis_url() { return "REDIS_URL="; }

void expect_positive(const json& object, const std::string& name) {
  ASSERT_TRUE(object.contains(name)) << name << " is missing in " << object.dump();
  ASSERT_TRUE(object[name].is_number()) << name << ": " << object[name].dump();
  EXPECT_TRUE(std::isfinite(object[name].get<double>()) && object[name].get<double>() > 0)
      << name << ": " << object[name].dump();
}

// One side of a row of throughput.
void expect_side(const json& side, std::size_t rounds, bool redis_7) {
  for (const char* name : {"messages_per_second", "redis_cpu_us_per_message",
                           "script_us_per_message", "client_cpu_us_per_message",
                           "allocations_per_message", "commands_per_message", "peak_rss_bytes"}) {
    ASSERT_TRUE(side.contains(name)) << name;
    const json& figure = side[name];
    EXPECT_EQ(figure.at("rounds").size(), rounds) << name;
    // Processor time is counted in ticks on some systems: a small round may take none.
    EXPECT_GE(figure.at("min").get<double>(), 0) << name;
    EXPECT_LE(figure.at("min").get<double>(), figure.at("median").get<double>()) << name;
    EXPECT_LE(figure.at("median").get<double>(), figure.at("max").get<double>()) << name;
  }
  EXPECT_GT(side["messages_per_second"]["min"].get<double>(), 0);
  EXPECT_GT(side["script_us_per_message"]["min"].get<double>(), 0);
  EXPECT_GT(side["commands_per_message"]["min"].get<double>(), 0);
  EXPECT_EQ(side.at("script_p999_us").is_null(), !redis_7);
}

// A row of throughput: nothing of both sides is missing, and the ratio is that of the rates.
void expect_throughput(const json& row, std::size_t rounds, bool redis_7) {
  expect_positive(row, "rate");
  expect_positive(row, "limit_rate");
  expect_positive(row, "ratio");
  ASSERT_EQ(row.at("ratios").size(), rounds);
  expect_side(row.at("library"), rounds, redis_7);
  expect_side(row.at("limit"), rounds, redis_7);
  const json& mine = row["library"]["messages_per_second"]["rounds"];
  const json& theirs = row["limit"]["messages_per_second"]["rounds"];
  for (std::size_t i = 0; i < rounds; ++i) {
    EXPECT_NEAR(row["ratios"][i].get<double>(), mine[i].get<double>() / theirs[i].get<double>(),
                1e-9);
  }
  EXPECT_GT(row["library"]["allocations_per_message"]["min"].get<double>(), 0);
}

TEST_P(BenchSmoke, ScenarioGivesAllFigures) {
  const std::string scenario = GetParam();
  const std::string file = directory_ + "/figures.json";
  ASSERT_EQ(
      run({"--quick", "--rounds", "2", "--only", scenario, "--json", file}, {without_redis_url()}),
      0)
      << output_;
  const json all = read(file);
  ASSERT_TRUE(all.is_object()) << output_;
  EXPECT_TRUE(all.at("quick").get<bool>());
  EXPECT_EQ(all.at("rounds"), 2);
  for (const char* fact : {"cpu", "system", "redis_version", "compiler", "build_type"}) {
    EXPECT_FALSE(all.at("machine").at(fact).get<std::string>().empty()) << fact;
  }
  expect_positive(all.at("machine"), "cores");
  expect_positive(all.at("limit"), "batch");
  expect_positive(all.at("limit"), "depth");
  const bool redis_7 = std::stoi(all["machine"]["redis_version"].get<std::string>()) >= 7;

  ASSERT_EQ(all.at("scenarios").size(), 1U);
  const json& section = all["scenarios"][0];
  EXPECT_EQ(section.at("name"), scenario);
  ASSERT_FALSE(section.at("rows").empty());
  for (const json& row : section["rows"]) {
    SCOPED_TRACE(row.at("variant").get<std::string>());
    EXPECT_NE(output_.find(row["variant"].get<std::string>()), std::string::npos);
    if (scenario == "idle_latency") {
      for (const char* name : {"p50_us", "p99_us", "p999_us", "p50_in_pings"})
        expect_positive(row, name);
      EXPECT_LE(row["p50_us"], row["p99_us"]);
    } else if (scenario == "lateness") {
      EXPECT_GT(row.at("samples"), 0);
      EXPECT_EQ(row.at("early"), 0);  // the one figure that holds however slow the machine is
      EXPECT_LE(row.at("p50_ms"), row.at("max_ms"));
    } else if (scenario == "idle") {
      expect_positive(row, "seconds");
      EXPECT_GE(row.at("commands_per_second"), 0);
    } else if (scenario == "defaults") {
      for (const char* name : {"rate", "beside_rate", "ratio"}) expect_positive(row, name);
    } else {
      expect_throughput(row, 2, redis_7);
    }
    if (scenario == "backlog") expect_positive(row, "bytes_per_queued_message");
    if (scenario == "in_flight") expect_positive(row, "ack_script_us_per_message");
    if (scenario == "in_flight" || scenario == "backlog" || scenario == "topics") {
      expect_positive(row, "redis_cpu_of_reference");
      expect_positive(row, "time_of_reference");
    }
    if (scenario == "payloads") expect_positive(row, "megabytes_per_second");
  }
  for (const json& target : all.at("targets")) {
    EXPECT_FALSE(target.at("what").get<std::string>().empty());
    EXPECT_TRUE(target.at("measured").is_number());
    EXPECT_TRUE(target.at("holds").is_boolean());
  }
}

const std::string scenarios[] = {
    "end_to_end", "produce",   "consume", "defaults",      "idle_latency",
    "lateness",   "in_flight", "backlog", "topics",        "payloads",
    "processes",  "idle",      "cluster", "wait_replicas", "partitions",
#ifdef MX_RMQ_WITH_TLS
    "tls",
#endif
};
INSTANTIATE_TEST_SUITE_P(Each, BenchSmoke, testing::ValuesIn(scenarios),
                         [](const auto& each) { return each.param; });

using BenchCommandLine = BenchSmoke;

TEST_F(BenchCommandLine, ListNamesEveryScenarioTestedHere) {
  ASSERT_EQ(run({"--list"}), 0);
  std::istringstream lines(output_);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) ++count;
  EXPECT_EQ(count, std::size(scenarios)) << output_;
}

TEST_F(BenchCommandLine, HelpNamesTheOptions) {
  ASSERT_EQ(run({"--help"}), 0);
  for (const char* option : {"--only", "--list", "--rounds", "--quick", "--json", "REDIS_URL"})
    EXPECT_NE(output_.find(option), std::string::npos) << option;
}

using ScaleModel = BenchSmoke;

TEST_F(ScaleModel, PrintsItsTablesAndTheModelBesideAMeasuredRun) {
  ASSERT_EQ(run_program(MX_RMQ_SCALE, {"--help"}), 0);
  for (const char* option : {"--nodes", "--processes", "--partitions", "--costs", "--check"})
    EXPECT_NE(output_.find(option), std::string::npos) << option;
  const std::string costs = directory_ + "/costs.json";
  ASSERT_EQ(run_program(MX_RMQ_SCALE, {"--quick", "--check", "--save-costs", costs}), 0) << output_;
  EXPECT_NE(output_.find("modelled"), std::string::npos) << output_;
  ASSERT_EQ(run_program(MX_RMQ_SCALE, {"--quick", "--costs", costs}), 0) << output_;
  EXPECT_NE(output_.find("More partitions"), std::string::npos) << output_;
  EXPECT_EQ(run_program(MX_RMQ_SCALE, {"--nodes", "0"}), 2);
  EXPECT_EQ(run_program(MX_RMQ_SCALE, {"--costs", directory_ + "/nothing"}), 1);
}

// With costs that are given, more nodes carry more, and the busiest one is never idle.
TEST_F(ScaleModel, GrowsWithTheNodes) {
  const std::string costs = directory_ + "/costs.json";
  {
    const json call{{"fixed_us", 20.0}, {"each_us", 1.0}};
    json all{{"produce", call}, {"claim", call}, {"ack", call}, {"wake_us", 4.0}};
    all["client_producing"] = all["client_consuming"] = json{{"fixed_us", 8.0}, {"each_us", 0.5}};
    std::ofstream(costs) << all.dump();
  }
  const auto rate = [&](const std::string& nodes, const std::string& partitions) {
    EXPECT_EQ(run_program(MX_RMQ_SCALE, {"--costs", costs, "--nodes", nodes, "--partitions",
                                         partitions, "--processes", "50"}),
              0)
        << output_;
    const std::size_t line = output_.rfind('\n', output_.size() - 2);
    std::istringstream words(output_.substr(line + 1));
    double value = 0;
    for (int i = 0; i < 4; ++i) words >> value;
    return value;
  };
  const double one = rate("1", "4");
  EXPECT_GT(one, 100'000);
  EXPECT_LT(one, 1'000'000 / 3.0) << "three microseconds a message";
  const double four = rate("4", "16");
  EXPECT_GT(four, 3 * one);
  EXPECT_LT(four, 4.5 * one);
}

TEST_F(BenchCommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(run({"--fast"}), 2);
  EXPECT_NE(output_.find("--fast"), std::string::npos);
  EXPECT_EQ(run({"--only", "nothing"}), 2);
  EXPECT_EQ(run({"--rounds", "0"}), 2);
  EXPECT_EQ(run({"--json"}), 2);
}

TEST_F(BenchCommandLine, DeletesNothingOfARedisThatIsInUse) {
  RedisServer server;
  server.command({"SET", "mine", "1"});
  EXPECT_EQ(run({"--quick", "--only", "idle"}, {"REDIS_URL=" + server.url()}), 1);
  EXPECT_NE(output_.find("not empty"), std::string::npos) << output_;
  EXPECT_EQ(server.command({"GET", "mine"}).str(), "1");
}

}  // namespace

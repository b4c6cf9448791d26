// mx-rmq-bench: see --help.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "machine.hpp"
#include "mx_rmq/log.hpp"
#include "options.hpp"
#include "scenario.hpp"
#include "support/redis_server.hpp"
#include "worker.hpp"

namespace {

using namespace bench;
using Json = nlohmann::ordered_json;

std::vector<Scenario> chosen(const Options& options) {
  std::vector<Scenario> out;
  for (const Scenario& each : scenarios()) {
    if (options.only.empty()) out.push_back(each);
    for (const std::string& name : options.only) {
      if (name == each.name) out.push_back(each);
    }
  }
  for (const std::string& name : options.only) {
    bool known = false;
    for (const Scenario& each : scenarios()) known = known || name == each.name;
    if (!known) throw std::invalid_argument("no such scenario: " + name + " (see --list)");
  }
  return out;
}

void list() {
  for (const Scenario& each : scenarios())
    std::printf("%-16s %s\n", std::string(each.name).c_str(), std::string(each.about).c_str());
}

void print_machine(const Json& facts) {
  for (const auto& [name, value] : facts.items())
    std::printf("%-16s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  std::fflush(stdout);
}

// Before every change of the file, so that a run that is broken off leaves what it has.
void write_json(const std::string& file, const Json& all) {
  if (file.empty()) return;
  std::ofstream out(file);
  out << all.dump(2) << "\n";
  if (!out) throw std::runtime_error("cannot write " + file);
}

double slowest_script(const Section& section) {
  double out = 0;
  for (const Row& row : section.rows()) {
    if (row.json().contains("script_p999_ms")) out = std::max(out, row.get("script_p999_ms"));
  }
  return out;
}

void measure(const Options& options, const std::string& program) {
  const std::vector<Scenario> todo = chosen(options);
  std::unique_ptr<mx_rmq::test::RedisServer> server;
  std::string url;
  if (const char* const given = std::getenv("REDIS_URL"); given != nullptr && *given != '\0') {
    url = given;
  } else {
    server = std::make_unique<mx_rmq::test::RedisServer>();
    url = server->url();
  }
  Plain redis(url);
  if (redis.number({"DBSIZE"}) != 0)
    throw std::runtime_error("the Redis of REDIS_URL is not empty");
  track_latency(redis);

  Json all;
  all["quick"] = options.quick;
  all["rounds"] = options.rounds;
  all["payload_bytes"] = usual_payload;
  all["machine"] = machine_facts(redis, server != nullptr);
  all["scenarios"] = Json::array();
  print_machine(all["machine"]);

  Bench bench{options, url, redis, {}, program};
  Section calibration("limit", "shapes of the limit: calls of plain hiredis, whole cycle");
  bench.shape = calibrate(bench, calibration);
  calibration.print();
  all["limit"] = calibration.json();
  all["targets"] = Json::array();
  double slowest = 0;
  for (const Scenario& each : todo) {
    Section section{std::string(each.name), std::string(each.about)};
    redis.flush_all();
    each.run(bench, section);
    redis.flush_all();
    section.print();
    for (const Json& target : section.targets()) all["targets"].push_back(target);
    slowest = std::max(slowest, slowest_script(section));
    all["scenarios"].push_back(section.json());
    write_json(options.json, all);
  }
  if (slowest > 0) {
    Section last("scripts", "");
    last.target("script call at p99.9, slowest scenario, ms", slowest, at_most(5), 2);
    for (const Json& target : last.targets()) all["targets"].push_back(target);
  }
  print_targets(all["targets"]);
  write_json(options.json, all);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    if (options.help) {
      std::fputs(usage().c_str(), stdout);
      return 0;
    }
    if (options.worker) return work(*options.worker);
    if (options.list) {
      list();
      return 0;
    }
    mx_rmq::set_log_level(mx_rmq::LogLevel::warn);
    measure(options, "/proc/self/exe");
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "mx-rmq-bench: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mx-rmq-bench: %s\n", error.what());
    return 1;
  }
}

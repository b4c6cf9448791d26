// On real input: a message for each package of the Debian package database; the workers add up
// count and installed size of each section. The figures are checked against the file, and against
// dpkg-query.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/dpkg_status.hpp"
#include "support/private_redis.hpp"

namespace example {

// How a package travels. These are found by the library, which turns a payload into a Package.
void to_json(nlohmann::json& json, const Package& package) {
  json = nlohmann::json{{"name", package.name},
                        {"section", package.section},
                        {"installed_kib", package.installed_kib}};
}

void from_json(const nlohmann::json& json, Package& package) {
  json.at("name").get_to(package.name);
  json.at("section").get_to(package.section);
  json.at("installed_kib").get_to(package.installed_kib);
}

}  // namespace example

namespace {

using example::Package;
using example::SectionSum;
using example::SectionSums;
using mx_rmq::Context;
using mx_rmq::OutgoingMessage;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr const char* topic = "packages";
constexpr const char* status_file = "/var/lib/dpkg/status";

// What the workers add up. Handlers of one queue run on one thread, its loop's, so no lock is
// needed.
struct Tally {
  explicit Tally(std::int64_t messages) : left(messages) {}

  SectionSums sums;
  std::set<std::string> ids;
  example::Countdown left;
};

// A message may come twice (a worker that dies, a lost lease), so it is counted by its id.
Task<> count(Tally* tally, Package package, std::string id) {
  if (!tally->ids.insert(std::move(id)).second) co_return;
  SectionSum& sum = tally->sums[package.section];
  ++sum.packages;
  sum.installed_kib += package.installed_kib;
  tally->left.count_down();
}

// Batches, so that memory and the produce calls under way stay bounded whatever the file's size.
Task<> produce_all(RedisMessageQueue* queue, const std::vector<Package>* packages) {
  constexpr std::size_t most = 500;
  for (std::size_t from = 0; from < packages->size(); from += most) {
    const std::size_t to = std::min(packages->size(), from + most);
    std::vector<OutgoingMessage> batch;
    batch.reserve(to - from);
    for (std::size_t i = from; i < to; ++i) batch.emplace_back(topic, packages->at(i));
    co_await queue->produce_batch(std::move(batch));
  }
}

std::string mebibytes(std::int64_t kib) {
  const std::int64_t tenths = (kib * 10 + 512) / 1024;
  return example::grouped(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

void print_row(const std::string& section, const SectionSum& sum, std::size_t width) {
  std::cout << "  " << std::left << std::setw(static_cast<int>(width)) << section << std::right
            << std::setw(10) << example::grouped(sum.packages) << std::setw(18)
            << mebibytes(sum.installed_kib) << '\n';
}

void print_table(const SectionSums& sums, const std::string& path) {
  std::vector<std::pair<std::string, SectionSum>> rows(sums.begin(), sums.end());
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) {
    return a.second.installed_kib > b.second.installed_kib;
  });
  std::size_t width = 12;
  SectionSum total;
  for (const auto& [section, sum] : rows) {
    width = std::max(width, section.size() + 2);
    total.packages += sum.packages;
    total.installed_kib += sum.installed_kib;
  }
  const std::string line = "  " + std::string(width + 28, '-') + '\n';
  std::ostringstream head;
  head << "  " << std::left << std::setw(static_cast<int>(width)) << "section" << std::right
       << std::setw(10) << "packages" << std::setw(18) << "installed size";
  std::cout << "Installed packages by section, from " << path << "\n\n"
            << example::bold(head.str()) << '\n'
            << line;
  for (const auto& [section, sum] : rows) print_row(section, sum, width);
  std::cout << line;
  print_row("total", total, width);
}

void show_progress(std::size_t handled, std::size_t all, bool last) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::cerr << '\r' << handled << " of " << all << " packages" << (last ? "\r\x1b[K" : "");
}

int run(const std::string& path) {
  const example::PrivateRedis redis;
  const std::vector<Package> packages = example::read_status_file(path);
  if (packages.empty()) throw std::runtime_error("no installed package in " + path);
  const auto all = static_cast<std::int64_t>(packages.size());

  Tally tally(all);  // outlives the queue, and so every handler
  mx_rmq::MQConfig config = redis.config();
  config.task_queue_size = 256;
  RedisMessageQueue queue(config);
  queue.register_handler<Package>(topic, [&tally](Package package, Context& context) {
    return count(&tally, std::move(package), context.id());
  });

  mx_rmq::sync_wait(queue.start_background());
  const auto began = Clock::now();
  mx_rmq::sync_wait(produce_all(&queue, &packages));
  const auto deadline = began + 60s;
  while (!tally.left.wait_for(100ms) && Clock::now() < deadline) {
    const auto metrics = mx_rmq::sync_wait(queue.metrics().collect({topic}));
    const auto completed = metrics.topics.at(topic).counters.completed;
    show_progress(static_cast<std::size_t>(completed), packages.size(), false);
  }
  show_progress(packages.size(), packages.size(), true);
  const std::chrono::duration<double> time = Clock::now() - began;
  mx_rmq::sync_wait(queue.stop());  // handlers have ended, and Redis has taken their results
  const auto metrics = mx_rmq::sync_wait(queue.metrics().collect({topic}));
  const auto& counters = metrics.topics.at(topic).counters;

  print_table(tally.sums, path);
  std::cout << "\n  " << example::grouped(all) << " messages in " << std::fixed
            << std::setprecision(2) << time.count()
            << " s from the first produce to the last handler: "
            << example::grouped(static_cast<std::int64_t>(static_cast<double>(all) / time.count()))
            << " a second\n\n";

  SectionSums expected;
  for (const Package& package : packages) {
    SectionSum& sum = expected[package.section];
    ++sum.packages;
    sum.installed_kib += package.installed_kib;
  }
  example::Checks checks;
  checks.expect(counters.produced == all && counters.completed == all,
                "Redis counted " + example::grouped(counters.produced) + " produced, " +
                    example::grouped(counters.completed) + " handled and acknowledged");
  checks.expect(tally.sums == expected, "the sums are those of the file");
  if (path == status_file) {
    if (const auto known = example::ask_dpkg_query()) {
      checks.expect(tally.sums == *known, "dpkg-query has the same figures");
    } else {
      std::cout << "  --  not compared with dpkg-query, which is not there\n";
    }
  }
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "package_stats [FILE]: counts the packages of a Debian package database, section by\n"
      "section, through a queue: a message a package.\n"
      "FILE: /var/lib/dpkg/status, or another file in its format.\n"
      "Runs on a Redis of its own, or on the one that REDIS_URL names.\n",
      1);
  const std::string path = argc > 1 ? argv[1] : status_file;
  return example::guarded([&path] { return run(path); });
}

#include "worker.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq/log.hpp"
#include "passes.hpp"
#include "support/child_process.hpp"

namespace bench {
namespace {

constexpr std::string_view ready_list = "bench:ready";
constexpr std::string_view go_list = "bench:go";
constexpr std::string_view stop_list = "bench:stop";
constexpr std::string_view report_list = "bench:report";

// The next element of a list; throws if none comes within two minutes.
std::string pop(Plain& redis, std::string_view list) {
  const Reply reply = redis.command({"BLPOP", list, "120"});
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
    throw std::runtime_error("nothing came in " + std::string(list));
  return std::string(reply->element[1]->str, reply->element[1]->len);
}

void push(Plain& redis, std::string_view list, int times) {
  for (int i = 0; i < times; ++i) redis.command({"RPUSH", list, "1"});
}

}  // namespace

int work(const WorkerOptions& options) {
  mx_rmq::set_log_level(mx_rmq::LogLevel::warn);
  Plain redis(options.url);
  LibraryShape shape;
  shape.topics = {options.topic};
  Library library(options.url, shape);
  library.connect();
  push(redis, ready_list, 1);
  pop(redis, go_list);
  reset_peak_rss();
  const double cpu = client_cpu_us();
  const Allocations before = allocations();
  library.consume();
  pop(redis, stop_list);
  nlohmann::json report;
  report["client_cpu"] = client_cpu_us() - cpu;
  report["allocations"] = allocations().count - before.count;
  report["peak_rss"] = peak_rss();
  report["handled"] = library.handled().count();
  library.stop();
  redis.command({"RPUSH", report_list, report.dump()});
  return 0;
}

Round consume_by_processes(Bench& bench, int count, long messages) {
  const LibraryShape shape;
  Limit filler(bench.redis, shape.topics, shape.payload_bytes, bench.shape);
  filler.produce(messages);
  std::vector<mx_rmq::test::ChildProcess> children;
  for (int i = 0; i < count; ++i) {
    mx_rmq::test::ChildOptions options;
    options.arguments = {"--worker", bench.url, shape.topics.front()};
    children.push_back(mx_rmq::test::ChildProcess::start(bench.program, options));
  }
  for (int i = 0; i < count; ++i) pop(bench.redis, ready_list);

  Measure measure(bench.redis);
  push(bench.redis, go_list, count);
  wait_completed(bench.redis, shape.topics, messages);
  Round round = measure.end(static_cast<double>(messages));

  push(bench.redis, stop_list, count);
  round.client_cpu = round.allocations = round.peak_rss = 0;
  long handled = 0;
  for (int i = 0; i < count; ++i) {
    const nlohmann::json report = nlohmann::json::parse(pop(bench.redis, report_list));
    round.client_cpu += report.at("client_cpu").get<double>();
    round.allocations += report.at("allocations").get<double>();
    round.peak_rss = std::max(round.peak_rss, report.at("peak_rss").get<double>());
    handled += report.at("handled").get<long>();
  }
  for (mx_rmq::test::ChildProcess& child : children) {
    const auto end = child.wait(std::chrono::seconds(60));
    if (!end || !end->exited || end->code != 0)
      throw std::runtime_error("a worker process did not end well");
  }
  if (handled != messages)
    throw std::runtime_error("the worker processes handled " + std::to_string(handled) + " of " +
                             std::to_string(messages) + " messages");
  return round;
}

}  // namespace bench

// How late delayed messages start: their payload is the time at which they are due.
#include <chrono>

#include "passes.hpp"
#include "samples.hpp"

namespace bench {
namespace {

using mx_rmq::Task;

double unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

struct Plan {
  std::string name;
  std::string target;  // and its bound in ms
  double most;
  long due;      // messages that fall due, evenly over `span`
  long waiting;  // further ones that do not
  std::chrono::milliseconds span;
};

// The lateness of each, in ms.
std::vector<double> run(Bench& bench, const Plan& plan, Round& cost) {
  bench.redis.flush_all();
  mx_rmq::RedisMessageQueue queue(LibraryShape().config(bench.url));
  std::vector<double> late;
  late.reserve(static_cast<std::size_t>(plan.due));
  Meter handled;
  std::vector<double>* const all = &late;
  Meter* const count = &handled;
  queue.register_handler("bench", [all, count](const nlohmann::json& payload) -> Task<> {
    all->push_back(unix_ms() - payload.get<double>());
    count->add();
    co_return;
  });
  mx_rmq::sync_wait(queue.start_background());
  Limit filler(bench.redis, {"bench"}, usual_payload, {100, 1});
  constexpr std::int64_t day = 86'400'000;
  const auto now = static_cast<std::int64_t>(unix_ms());
  filler.produce_delayed(plan.waiting, [&](long i) { return now + day + i; });
  // None falls due before all are there.
  const auto lead = 500 + plan.due / 20;
  const std::int64_t first = static_cast<std::int64_t>(unix_ms()) + lead;
  filler.produce_delayed(plan.due,
                         [&](long i) { return first + i * plan.span.count() / plan.due; });
  if (unix_ms() > static_cast<double>(first))
    throw std::runtime_error("filling took longer than planned");
  Measure measure(bench.redis);
  handled.wait_for(plan.due);
  wait_completed(bench.redis, {"bench"}, plan.due);
  cost = measure.end(static_cast<double>(plan.due));
  mx_rmq::sync_wait(queue.cleanup());
  return late;
}

}  // namespace

void lateness(Bench& bench, Section& section) {
  using std::chrono::milliseconds;
  const Options& options = bench.options;
  const long few = options.size(300, 50);
  const long many = options.size(100'000, 2'000);
  const milliseconds brief(options.size(3'000, 500));
  const milliseconds lasting(options.size(20'000, 1'000));
  const std::string whole = grouped(static_cast<double>(many));
  const Plan plans[] = {
      {"300 due over 3 s, no other", "delayed p99 lateness, 300, ms", 5, few, 0, brief},
      {"300 due over 3 s, " + whole + " others wait",
       "delayed p99 lateness, 300 due beside 100,000, ms", 10, few, many, brief},
      {whole + " due over 20 s", "delayed p99 lateness, 100,000 due over 20 s, ms", 10, many, 0,
       lasting},
  };
  for (const Plan& plan : plans) {
    std::vector<double> all;
    std::vector<double> tails;  // p99 of each round
    std::vector<double> worst;
    double script = 0;
    for (int round = 0; round < options.rounds; ++round) {
      Round cost;
      const std::vector<double> late = run(bench, plan, cost);
      all.insert(all.end(), late.begin(), late.end());
      tails.push_back(quantile(late, 0.99));
      worst.push_back(quantile(late, 1));
      script = std::max(script, cost.script_p999.value_or(0));
    }
    long early = 0;
    for (const double each : all) early += each < 0 ? 1 : 0;
    Row row;
    row.label("variant", plan.name);
    row.number("p50 ms", "p50_ms", median(all), 2);
    row.number("p99 ms", "p99_ms", median(tails), 2);
    row.number("worst round's p99", "worst_p99_ms", spread(tails).max, 2);
    row.number("max ms", "max_ms", spread(worst).max, 2);
    row.number("early", "early", static_cast<double>(early), 0);
    row.number("p99.9 script ms", "script_p999_ms", script / 1000, 2);
    row.data("samples", all.size());
    row.data("round_p99_ms", tails);
    section.target(plan.target, median(tails), at_most(plan.most), 2);
    section.add(std::move(row));
  }
}

}  // namespace bench

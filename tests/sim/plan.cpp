#include "plan.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace mx_rmq::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::array<std::pair<bool Faults::*, const char*>, 12> kinds{{
    {&Faults::cuts, "cuts"},
    {&Faults::silences, "silences"},
    {&Faults::holds, "holds"},
    {&Faults::refusals, "refusals"},
    {&Faults::crashes, "crashes"},
    {&Faults::pauses, "pauses"},
    {&Faults::restarts, "restarts"},
    {&Faults::failovers, "failovers"},
    {&Faults::flushes, "flushes"},
    {&Faults::clock_steps, "clock_steps"},
    {&Faults::server_pauses, "server_pauses"},
    {&Faults::wall_clocks, "wall_clocks"},
}};

std::chrono::milliseconds ms(Random& random, std::int64_t low, std::int64_t high) {
  return std::chrono::milliseconds(random.between(low, high));
}

}  // namespace

bool Faults::any() const noexcept {
  for (const auto& [kind, name] : kinds) {
    if (this->*kind) return true;
  }
  return false;
}

std::string Faults::text() const {
  std::string out;
  for (const auto& [kind, name] : kinds) {
    if (this->*kind) out.append(out.empty() ? "" : " ").append(name);
  }
  return out.empty() ? "none" : out;
}

Plan Plan::draw(std::uint64_t seed) {
  Random random(mixed(seed, 1));
  Plan plan;
  plan.seed = seed;
  const std::uint64_t kind = random.below(100);
  plan.calm = kind < 25;
  plan.quick = kind < 18;
  plan.only_killers = kind >= 25 && kind < 32;
  // Swarm: a seed with few kinds of faults goes deeper into each.
  const int density = static_cast<int>(random.between(15, 60));
  for (const auto& [fault, name] : kinds) {
    plan.faults.*fault = !plan.calm && !plan.only_killers && random.chance(density);
  }
  plan.fault_interval = random.span(150ms, 1500ms);
  plan.stops = random.chance(plan.calm ? 80 : 40);
  plan.chaos = random.span(5s, 12s);

  plan.workers = static_cast<int>(random.between(plan.calm ? 2 : 1, 3));
  plan.producers = static_cast<int>(random.between(0, 2));
  plan.messages = static_cast<int>(random.between(10, plan.calm ? 40 : 60));
  const int topics = static_cast<int>(random.between(1, 3));
  for (int i = 0; i < topics; ++i) plan.topics.push_back("t" + std::to_string(i));
  plan.latency_min = random.span(20us, 1ms);
  plan.latency_max = plan.latency_min + random.span(10us, plan.calm ? 2ms : 20ms);
  plan.slices = random.chance(30);

  MQConfig& config = plan.config;
  config.redis_url = "redis://simulated:6379";
  config.connection_pool_size = static_cast<int>(random.between(1, 4));
  config.connect_timeout = ms(random, 300, 1000);
  config.command_timeout = ms(random, 300, 1000);
  config.produce_timeout = ms(random, 1000, 4000);
  config.reconnect_backoff_min = ms(random, 5, 50);
  config.reconnect_backoff_max = ms(random, 50, 500);
  config.max_workers = static_cast<int>(random.between(plan.calm ? 2 : 1, 4));
  config.task_queue_size = static_cast<int>(random.between(1, 8));
  if (seed % 5 < 2) config.task_queue_size = MQConfig::automatic;
  if (seed % 5 == 2) config.task_queue_size = 0;
  config.batch_size = static_cast<int>(random.between(2, 50));
  config.claim_bytes = random.chance(20) ? 600 : std::size_t{1} << 20;
  config.lease = ms(random, 900, 4000);
  config.shutdown_timeout = ms(random, 100, 1500);
  config.processing_timeout = ms(random, 1000, 5000);
  config.max_retries = static_cast<int>(random.between(0, 3));
  config.retry_delays = {ms(random, 1, 100), ms(random, 50, 800)};
  config.max_recoveries = random.chance(50) ? 3 : 50;
  config.enable_dead_letter = random.chance(85);
  config.monitor_interval = 1s;
  // Where nothing goes wrong nothing may need the sweep.
  config.expired_check_interval = plan.calm ? 60s : ms(random, 500, 3000);
  config.processing_monitor_interval = plan.calm ? 60s : ms(random, 500, 3000);

  const bool rough = random.chance(70);
  plan.fails = rough ? static_cast<int>(random.between(0, 30)) : 0;
  plan.rejects = rough ? static_cast<int>(random.between(0, 5)) : 0;
  plan.slow = plan.quick ? 0 : static_cast<int>(random.between(0, 20));
  plan.hangs = plan.calm || random.chance(50) ? 0 : static_cast<int>(random.between(0, 4));
  plan.delayed = random.chance(60) ? static_cast<int>(random.between(0, 60)) : 0;
  plan.chosen = random.chance(60) ? static_cast<int>(random.between(0, 60)) : 0;
  plan.short_lived = plan.calm || random.chance(60) ? 0 : static_cast<int>(random.between(0, 20));
  plan.cancelled = random.chance(60) ? 0 : static_cast<int>(random.between(0, 20));
  if (plan.only_killers || (plan.faults.crashes && random.chance(20))) {
    plan.killers = static_cast<int>(random.between(1, 2));
    config.max_recoveries = 3;
  }
  if (plan.only_killers) {
    // What a slow or lost consumer lets others recover would be no killer's doing.
    plan.slow = plan.hangs = 0;
    config.enable_dead_letter = true;
  }
  // Drawn last, so that what a seed decided before stays as it was.
  if (random.chance(35)) {
    plan.partitions = static_cast<int>(random.between(2, 4));
    plan.keyed = static_cast<int>(random.between(0, 60));
  }
  // Keys all the time, while there are more partitions twice: here it matters that all agree.
  if (plan.partitions > 2 && random.chance(40)) {
    plan.grows = true;
    plan.keyed = 80;
    plan.messages *= 2;
    plan.delayed = std::max(plan.delayed, 40);
    if (!plan.quick) plan.slow = std::max(plan.slow, 15);
    if (!plan.calm) config.expired_check_interval = ms(random, 300, 800);
  }
  // A failover may undo a pause, and a clock that is set ends it.
  if (random.chance(40) && !plan.faults.failovers && !plan.faults.clock_steps) {
    plan.pauses = static_cast<int>(random.between(1, 4));
  }
  return plan;
}

Behaviour Plan::behaviour(std::uint64_t message, int attempt, int recoveries) const {
  Random random(mixed(mixed(seed, message), static_cast<std::uint64_t>(attempt * 64 + recoveries)));
  Behaviour out;
  out.takes = random.chance(30) ? Duration(0) : random.span(1ms, calm ? 20ms : 80ms);
  if (random.chance(fails)) {
    out.end = random.chance(25) ? Behaviour::End::retry_after : Behaviour::End::fail;
  } else if (random.chance(rejects)) {
    out.end = Behaviour::End::reject;
  }
  if (random.chance(slow)) out.takes = random.span(100ms, Duration(config.lease) * 2);
  if (random.chance(hangs)) {
    out.takes = Duration(config.processing_timeout) * 2;
    out.obeys = random.chance(50);
  }
  return out;
}

std::string Plan::text() const {
  const auto number = [](const char* name, auto value) {
    return std::string(" ") + name + "=" + std::to_string(value);
  };
  return "seed " + std::to_string(seed) +
         (quick  ? " calm, quick"
          : calm ? " calm"
                 : " faults: " + faults.text()) +
         (killers > 0 ? " killers" : "") + number("stops", static_cast<int>(stops)) +
         number("workers", workers) + number("producers", producers) +
         number("messages", messages) + number("topics", topics.size()) +
         number("partitions", partitions) + number("pauses", pauses) +
         number("lease", config.lease.count()) + number("max_workers", config.max_workers) +
         number("queue", config.task_queue_size) + number("pool", config.connection_pool_size);
}

}  // namespace mx_rmq::sim

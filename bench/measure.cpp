#include "measure.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace bench {
namespace {

double status_kib(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::atof(line.c_str() + field.size()) * 1024;
  }
  return 0;
}

// The number after `name` in "calls=1,usec=2,...".
double field(const std::string& line, const std::string& name) {
  const std::size_t at = line.find(name);
  return at == std::string::npos ? 0 : std::atof(line.c_str() + at + name.size());
}

double micros(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

}  // namespace

double info_number(const std::string& info, const std::string& name) {
  std::size_t at = info.find("\n" + name + ":");
  if (at == std::string::npos) return 0;
  return std::atof(info.c_str() + at + name.size() + 2);
}

double redis_cpu_us(Plain& redis) {
  const std::string cpu = redis.info("cpu");
  return 1e6 * (info_number(cpu, "used_cpu_sys") + info_number(cpu, "used_cpu_user"));
}

double client_cpu_us() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) throw std::runtime_error("getrusage failed");
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

double rss() { return status_kib("VmRSS:"); }
double peak_rss() { return status_kib("VmHWM:"); }

void reset_peak_rss() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

TopLevel top_level(const std::string& commandstats) {
  // Of these a script of ours calls none.
  constexpr std::string_view ours[] = {"evalsha:", "subscribe:", "client|", "client:", "script|",
                                       "script:",  "sadd:",      "auth:",   "select:"};
  TopLevel sum;
  std::istringstream lines(commandstats);
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view prefix = "cmdstat_";
    if (!line.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(line).substr(prefix.size());
    for (const std::string_view each : ours) {
      if (name.starts_with(each)) sum.commands += field(line, "calls=");
    }
    if (name.starts_with("evalsha:")) sum.script_time += field(line, "usec=");
  }
  return sum;
}

bool track_latency(Plain& redis) {
  if (info_number(redis.info("server"), "redis_version") < 7) return false;
  redis.command({"CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9"});
  return true;
}

Measure::Measure(std::vector<Plain*> servers) : servers_(std::move(servers)) {
  reset_peak_rss();
  for (Plain* const each : servers_) each->command({"CONFIG", "RESETSTAT"});
  redis_cpu_ = servers_cpu();
  client_cpu_ = client_cpu_us();
  allocations_ = allocations();
  begin_ = Clock::now();
}

Round Measure::end(double messages) {
  Round round;
  round.seconds = seconds_since(begin_);
  round.messages = messages;
  round.allocations = static_cast<double>(allocations().count - allocations_.count);
  round.client_cpu = client_cpu_us() - client_cpu_;
  round.redis_cpu = servers_cpu() - redis_cpu_;
  round.peak_rss = peak_rss();
  for (Plain* const each : servers_) {
    const TopLevel sums = top_level(each->info("commandstats"));
    round.commands += sums.commands;
    round.script_time += sums.script_time;
    const std::string latency = each->info("latencystats");
    const std::size_t at = latency.find("_evalsha:");
    if (at == std::string::npos) continue;
    const std::size_t value = latency.find("p99.9=", at);
    if (value == std::string::npos) continue;
    round.script_p999 =
        std::max(round.script_p999.value_or(0), std::atof(latency.c_str() + value + 6));
  }
  return round;
}

double Measure::servers_cpu() const {
  double sum = 0;
  for (Plain* const each : servers_) sum += redis_cpu_us(*each);
  return sum;
}

}  // namespace bench

// What a piece of work costs: the server's CPU, the client's, memory, commands.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "plain.hpp"

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One measured piece of work. CPU times in us.
struct Round {
  double messages = 0;
  double seconds = 0;
  double redis_cpu = 0;    // of the server's process: INFO cpu
  double script_time = 0;  // in scripts, by the server's clock: INFO commandstats of evalsha
  double client_cpu = 0;   // user and system time of the client's process, or processes
  double allocations = 0;  // calls of operator new by the client
  double commands = 0;     // commands that came over a connection
  double peak_rss = 0;     // bytes: the client's largest resident memory during the work
  std::optional<double> script_p999;  // us: 99.9th percentile of one script call; Redis >= 7

  [[nodiscard]] double rate() const { return messages / seconds; }
};

// Takes figures when made and again at end(). One at a time: it resets the servers' statistics.
class Measure {
 public:
  explicit Measure(Plain& redis) : Measure(std::vector<Plain*>{&redis}) {}
  // Of several servers together.
  explicit Measure(std::vector<Plain*> servers);
  [[nodiscard]] Round end(double messages);

 private:
  [[nodiscard]] double servers_cpu() const;

  const std::vector<Plain*> servers_;
  Allocations allocations_;
  double redis_cpu_;
  double client_cpu_;
  Clock::time_point begin_;
};

// Commands over connections since CONFIG RESETSTAT: those that clients of this library send. What
// scripts call inside is not among them.
struct TopLevel {
  double commands = 0;
  double script_time = 0;  // us in evalsha
};
TopLevel top_level(const std::string& commandstats);

// `name` of an INFO text, 0 if it is not there.
double info_number(const std::string& info, const std::string& name);
double redis_cpu_us(Plain& redis);
double client_cpu_us();
// Resident memory of this process now, and its peak since reset_peak_rss().
double rss();
double peak_rss();
void reset_peak_rss();
// Has the server keep the percentile; false before Redis 7.
bool track_latency(Plain& redis);

}  // namespace bench

// What a scenario is, and what it gets.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limit.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "report.hpp"

namespace bench {

// What all scenarios share.
struct Bench {
  const Options& options;
  std::string url;
  Plain& redis;
  LimitShape shape;     // the best of a few for messages of 200 bytes
  std::string program;  // this one, to start workers with
};

// Size of a payload, as JSON text, where nothing else is said.
inline constexpr std::size_t usual_payload = 200;

struct Scenario {
  std::string_view name;
  std::string_view about;
  void (*run)(Bench&, Section&);
};
std::span<const Scenario> scenarios();

// Measures the two in turn: a short round of each to warm up, then library, limit, library, limit
// ... Each is told how many messages to pass and begins with an empty Redis.
struct Compared {
  std::vector<Round> library;
  std::vector<Round> limit;
};
using Pass = std::function<Round(long messages)>;
Compared compare(Bench& bench, long messages, const Pass& library, const Pass& limit);

// The best shape of the limit on this machine, and how all that were tried did.
LimitShape calibrate(Bench& bench, Section& section);

void end_to_end(Bench& bench, Section& section);
void produce(Bench& bench, Section& section);
void consume(Bench& bench, Section& section);
void defaults(Bench& bench, Section& section);
void idle_latency(Bench& bench, Section& section);
void lateness(Bench& bench, Section& section);
void in_flight(Bench& bench, Section& section);
void backlog(Bench& bench, Section& section);
void topics(Bench& bench, Section& section);
void payloads(Bench& bench, Section& section);
void processes(Bench& bench, Section& section);
void idle(Bench& bench, Section& section);
void cluster(Bench& bench, Section& section);
void wait_replicas(Bench& bench, Section& section);
void partitions(Bench& bench, Section& section);
void tls(Bench& bench, Section& section);

}  // namespace bench

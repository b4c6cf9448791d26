// What a seed decides before anything runs: how many processes, how they are configured, what is
// produced, what goes wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "random.hpp"

namespace mx_rmq::sim {

using runtime::Duration;

// Which faults a seed has; each seed has some of them.
struct Faults {
  bool cuts = false;           // connections break at any byte
  bool silences = false;       // connections die and nobody is told
  bool holds = false;          // a connection, or a process's network, stands still
  bool refusals = false;       // connecting fails
  bool crashes = false;        // processes die, at any point, and others take their place
  bool pauses = false;         // processes stand still
  bool restarts = false;       // the server goes and comes back with its data
  bool failovers = false;      // the server loses its last commands
  bool flushes = false;        // the server forgets the scripts
  bool clock_steps = false;    // the server's clock is set
  bool server_pauses = false;  // the server stands still
  bool wall_clocks = false;    // the processes' wall clocks are set

  bool any() const noexcept;
  std::string text() const;
};

// What one run of a handler does.
struct Behaviour {
  enum class End : std::uint8_t { ok, fail, retry_after, reject };
  End end = End::ok;
  Duration takes{};
  bool obeys = true;  // ends when its stop token fires
};

struct Plan {
  std::uint64_t seed = 0;
  // Without faults: no lease may run out.
  bool calm = false;
  // Calm, and every handler is quick: nothing may be late.
  bool quick = false;
  Faults faults;
  Duration fault_interval{};
  // Nothing goes wrong but that handlers of certain messages end their process: these messages, and
  // no others, become dead letters "poison".
  bool only_killers = false;
  bool stops = false;  // processes are stopped and started in good order
  Duration chaos{};    // how long messages are produced and things go wrong

  int workers = 1;
  int producers = 1;
  int messages = 1;
  std::vector<std::string> topics;
  int partitions = 1;  // of each topic, from some moment on
  int keyed = 0;       // of 100 messages
  bool grows = false;  // first two partitions, then all, while it is used
  int pauses = 0;      // how often some topic is paused
  MQConfig config;
  Duration latency_min{};
  Duration latency_max{};
  bool slices = false;  // bytes travel in small pieces

  int fails = 0;  // of 100 runs, each
  int rejects = 0;
  int slow = 0;
  int hangs = 0;
  int delayed = 0;  // of 100 messages, each
  int chosen = 0;
  int short_lived = 0;
  int cancelled = 0;
  int killers = 0;  // of all messages: handling them ends the process

  bool kills(std::uint64_t message) const {
    return message % 17 < static_cast<std::uint64_t>(killers);
  }
  static Plan draw(std::uint64_t seed);
  Behaviour behaviour(std::uint64_t message, int attempt, int recoveries) const;
  std::string text() const;
};

}  // namespace mx_rmq::sim

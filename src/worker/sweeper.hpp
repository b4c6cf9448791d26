#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "redis/connection/seams.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/during.hpp"
#include "worker/source.hpp"
#include "worker/suspects.hpp"

namespace mx_rmq::worker {

class Claimer;
class Partitions;

/// What a worker does at each source for all of its consumers: sweeps (expired messages, lost
/// wake-ups and alarms, lapsed consumers) at intervals, and takes over from a consumer whose lease
/// ran out. Loop thread only.
class Sweeper {
 public:
  /// Whom it tells of what sweeps find.
  struct Others {
    Suspects& suspects;
    Claimer& claimer;
    Partitions& partitions;
  };
  Sweeper(runtime::EventLoop& loop, redis::Rng& rng, const MQConfig& config, Others others,
          runtime::Scope& scope);
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  /// A source to sweep, from now on.
  void add(Source& source);
  /// A reply told of a consumer whose lease ran out. Nothing is done about it while the epoch of
  /// the source's route is young: a server that has just become the master may have a clock that
  /// is ahead, and the living have had no time to renew their leases there.
  void lapsed(const Source& source, std::string consumer);
  /// Nothing further begins.
  void stop() { stopped_.set(); }

 private:
  struct Record {
    explicit Record(Source& of) : source(of) {}

    Source& source;
    bool reaping = false;
    std::uint64_t sweeps = 0;
    std::int64_t noted = 0;            // the minute of the server's clock in which history was
    runtime::TimePoint epoch_began{};  // of its route
    std::uint64_t epoch_hook = 0;
  };

  Task<> sweep_loop(Record* record);
  Task<redis::CallEnd> sweep(Record* record, broker::Sweep::Reply* last);
  Task<> note_history(Record* record, std::int64_t now);
  Task<> reap(Record* record, std::string victim, Raised reaping);
  Task<bool> pause(runtime::Duration duration);
  static void tell_dropped(const Source& source, const std::vector<std::string>& members);

  runtime::EventLoop& loop_;
  redis::Rng& rng_;
  const MQConfig& config_;
  const Others others_;
  runtime::Scope& scope_;
  std::deque<Record> records_;  // by source
  runtime::Event stopped_;
};

}  // namespace mx_rmq::worker

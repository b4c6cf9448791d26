#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "redis/topology/client.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/claimer.hpp"
#include "worker/during.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

/// Waits at Redis for the markers of sources that have room and no known backlog: connections that
/// block, at most 64 sources each. Who takes a marker owes a claim, or arms it again, or says at
/// leaving that it has it. Loop thread only.
class Markers {
 public:
  Markers(redis::Client& client, const MQConfig& config, Claimer& claimer, runtime::Scope& scope);
  ~Markers();
  Markers(const Markers&) = delete;
  Markers& operator=(const Markers&) = delete;

  /// A source to wait for, from now on.
  void add(Source& source);
  /// Room or backlogs have changed: waits that leave out a source they should name are ended and
  /// begun anew.
  void update();

  /// Ends all waits, up to `deadline`.
  Task<> stop(runtime::TimePoint deadline);
  /// Its consumer leaves now: whether that has to arm the marker. One that comes later is armed
  /// again.
  [[nodiscard]] bool leave(const Source& source);
  /// After the client was closed, which ends the others.
  Task<> finish();

 private:
  struct Record {
    explicit Record(Source& of) : source(of) {}

    Source& source;
    // The marker was taken here: a claim of this number, or a later one, has to be answered, for
    // earlier ones may not have seen what the marker stands for. 0 = it was not.
    std::uint64_t owes_claim = 0;
    std::atomic<std::int64_t> arming{0};  // times that it is being armed again
    bool left = false;                    // its consumer says goodbye, or has done so
  };
  struct Group;

  Task<> wait_loop(std::shared_ptr<Group> group);
  Task<> interrupt(std::shared_ptr<Group> group, Raised raised);
  std::vector<Record*> eligible(Group& group) const;
  bool stale(const Group& group) const;
  void taken(Group& group, const std::string& key);
  void log_failed(Group& group, const redis::CallEnd& end, std::size_t sources);
  Task<> arm_again(Record* record, Counted arming);

  redis::Client& client_;
  runtime::EventLoop& loop_;
  const MQConfig& config_;
  Claimer& claimer_;
  runtime::Scope& scope_;
  std::deque<Record> records_;  // by source
  std::vector<std::shared_ptr<Group>> groups_;
  std::size_t loops_ = 0;  // that wait
  runtime::Event none_waits_;
  bool stopping_ = false;
};

}  // namespace mx_rmq::worker

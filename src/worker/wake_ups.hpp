#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

#include "mx_rmq/task.hpp"
#include "redis/topology/client.hpp"
#include "redis/topology/subscription.hpp"
#include "runtime/scope.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Claimer;
class Questions;

/// Listens for each source to the channel over which its consumer is woken and asked, passes on
/// wake-ups that cannot be used here, and has the consumers unlisted when nothing is claimed any
/// more. Loop thread only.
class WakeUps {
 public:
  /// `claimer` is told of wake-ups, `questions` of what else is heard.
  WakeUps(redis::Client& client, Claimer& claimer, Questions& questions, runtime::Scope& scope);
  ~WakeUps();
  WakeUps(const WakeUps&) = delete;
  WakeUps& operator=(const WakeUps&) = delete;

  /// A source to listen for, from now on.
  void add(Source& source);
  /// Wakes others in the place of this source's consumer. `hops`: how often it was passed on
  /// before.
  void pass(const Source& source, int hops);

  /// Nothing is claimed any more: nobody is to wake us. Waits for that up to `deadline`; who was
  /// woken all the same passes it on.
  Task<> unlist(runtime::TimePoint deadline);
  /// Listens no longer.
  void close();

 private:
  struct Record {
    explicit Record(Source& of) : source(of) {}

    Source& source;
    std::unique_ptr<redis::Subscription> subscription;
  };

  void heard(Record& record, std::string_view payload);
  Task<> send_pass(Record* record, int hops);
  static Task<> send_unlist(Record* record, runtime::TimePoint deadline);

  redis::Client& client_;
  Claimer& claimer_;
  Questions& questions_;
  runtime::Scope& scope_;
  std::deque<Record> records_;  // by source
};

}  // namespace mx_rmq::worker

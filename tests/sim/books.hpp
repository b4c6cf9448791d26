// The books of a simulated world: what became of each message, by the word of those who produce and
// handle them and by what the server was seen to do; and every rule that must hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scheduler.hpp"

namespace mx_rmq::sim {

// A rule that was broken.
struct Violation {
  std::string rule;
  std::string what;
  TimePoint at{};
};

struct Record {
  std::uint64_t number = 0;
  std::string id;
  std::string topic;
  std::string body;  // the payload
  bool chosen = false;
  std::string key;     // empty: none
  bool kills = false;  // handling it ends the process

  // Produce calls.
  int calls = 0;
  TimePoint called_at{};  // the last of them
  int open = 0;
  int accepted = 0;
  int unknown = 0;
  int rejected = 0;

  // As the server was seen to do.
  int enqueued = 0;  // by calls that the present data holds
  bool ever_enqueued = false;
  bool live = false;   // waits, is delayed, or is held
  std::string holder;  // the consumer that holds it
  std::string tag;     // of the partition that it was last enqueued in
  TimePoint enqueued_at{};
  bool astray = false;   // there by settings that a failover had undone elsewhere
  TimePoint ready_at{};  // since when, or from when on, somebody may start it
  std::int64_t expires_ms = 0;
  int retries = 0;
  int recoveries = 0;
  int interruptions = 0;         // given back by a stop, its run cut short
  int rollbacks = 0;             // of the server's data, since it was first produced
  int excuses = 0;               // a copy of its produce came later than copies are known for
  std::int64_t enqueued_ms = 0;  // server time
  bool acked = false;
  bool dead = false;
  bool discarded = false;  // on the user's word: expired, or no dead letters are kept
  bool cancelled = false;
  bool ever_cancelled = false;
  bool rolled_away = false;  // the data that held it is gone with a failover

  // Handlers.
  int starts = 0;
  int handled = 0;
  int running = 0;
  TimePoint last_start{};

  int explained() const noexcept {
    return retries + recoveries + interruptions + rollbacks + excuses;
  }
  // Neither rolled back nor excused: its story is told by the rules alone.
  bool plain() const noexcept { return rollbacks == 0 && excuses == 0; }
};

// What was seen at least once, so that a run without faults does not pass for one with them.
using Sightings = std::map<std::string, std::uint64_t>;

class Books {
 public:
  explicit Books(const Scheduler& scheduler) : scheduler_(scheduler) {}

  Record& open(std::uint64_t number);
  Record* find(std::string_view id);
  std::map<std::uint64_t, Record>& records() noexcept { return records_; }

  // --- producing ---
  void call_began(Record& record);
  void call_accepted(Record& record);
  void call_unknown(Record& record);
  void call_rejected(Record& record, std::string_view why);

  // --- handling; false: it is none of ours ---
  struct Start {
    std::string_view id;
    std::string_view topic;
    std::string body;
    int attempt = 0;
    bool holds = false;  // the node that starts it holds it, as far as the server is concerned
    bool strict = true;  // nothing happened that makes that uncertain
    std::int64_t server_ms = 0;
  };
  Record* started(const Start& start);
  void ended(Record& record, bool ok);

  // --- pausing a topic ---
  // Somebody begins to pause it: it may be so from now on, or not.
  void pause_begins(const std::string& topic) {
    pauses_[topic].maybe = true;
    pauses_[topic].resuming = false;
  }
  // Everybody has said that nothing of it begins any more, until somebody resumes it, or that time.
  void paused(const std::string& topic, TimePoint until) {
    if (!pauses_[topic].resuming) pauses_[topic].surely_until = until;
  }
  // Somebody begins to resume it.
  void resume_begins(const std::string& topic) {
    pauses_[topic].resuming = true;
    pauses_[topic].surely_until = TimePoint::min();
  }
  // What waits may begin from now on.
  void resumed(const std::string& topic);
  bool may_be_paused(const std::string& topic) const;

  // --- what the server did ---
  void enqueued(Record& record, TimePoint ready_at, std::int64_t now_ms, std::int64_t expires_ms);
  void given(Record& record, const std::string& consumer);
  void acked(Record& record, const std::string& consumer, bool discarded);
  void retried(Record& record, const std::string& consumer, TimePoint due);
  void released(Record& record, const std::string& consumer, bool interrupted);
  void recovered(Record& record);
  void buried(Record& record, std::string_view reason);
  void cancelled(Record& record);
  // Taken for expired at this time of the server's.
  void expired(const Record& record, std::int64_t now_ms);

  // --- the end ---
  void check_outcomes();

  void violate(std::string rule, std::string what);
  const std::optional<Violation>& violation() const noexcept { return violation_; }

  void saw(const std::string& what) { ++sightings_[what]; }
  const Sightings& sightings() const noexcept { return sightings_; }
  // The longest a message that could be started was not.
  Duration latest() const noexcept { return latest_; }
  void forbid_lateness(Duration bound) { late_after_ = bound; }
  void forbid_lapses() { no_lapses_ = true; }
  // Every produce call that begins from now on must succeed.
  void forbid_rejections() { no_rejections_from_ = scheduler_.now(); }
  // Only these may be condemned as poison.
  void condemn_only_killers() { only_killers_ = true; }
  // For so long the server knows which batches it has taken.
  void set_window(Duration window) { window_ = window; }

 private:
  void leave(Record& record, const std::string& consumer, const char* how);

  struct Pause {
    bool maybe = false;
    bool resuming = false;  // since it was paused
    TimePoint surely_until = TimePoint::min();
  };

  const Scheduler& scheduler_;
  std::map<std::string, Pause> pauses_;  // by topic
  std::map<std::uint64_t, Record> records_;
  std::unordered_map<std::string, std::uint64_t> numbers_;
  std::optional<Violation> violation_;
  Sightings sightings_;
  Duration latest_{};
  std::optional<Duration> late_after_;
  Duration window_{};
  bool no_lapses_ = false;
  std::optional<TimePoint> no_rejections_from_;
  bool only_killers_ = false;
};

}  // namespace mx_rmq::sim

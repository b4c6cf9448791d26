#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/settings_watch.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "worker/during.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

/// Follows what is set for each topic, and does what a worker can do for it: has a source for each
/// partition; copies the settings to the partitions; and, when the number of partitions has grown,
/// says so in two steps. Messages without a key and an id are spread over the new ones (`active`)
/// once this process has claimed from each of them. Keys and ids go by the new number
/// (`ids_active`) once nothing that went by the old one can be in work any more, so that no key has
/// messages in two partitions, and no id is taken in two.
///
/// The second step is a commit over the partitions that ids went by so far, with the first one's
/// settings as what counts: each of the others takes no id of the present version any more, and
/// then the first one, if its settings still have that version, gets a new one. Any other change of
/// these makes the attempt come to nothing, and opens the partitions again (lua/raise_ids.lua).
///
/// A partition whose settings are later than the topic's, and stay so, was left so by somebody who
/// died in such an attempt; or the topic's have been forgotten by a failover. Then the topic's get
/// a new version, with as many partitions as that one knows of. By how many ids go stays as the
/// topic says: keys that went by more before the failover are where they are.
///
/// Loop thread only.
class Partitions {
 public:
  /// Makes the source of one further partition, and begins with it.
  using AddSource = std::function<void(const Topic& topic, int partition)>;
  /// Told of the version of the settings of a topic whenever others become known, and of the one by
  /// which it is paused: the same, or 0.
  using Follow =
      std::function<void(const Topic& topic, std::int64_t version, std::int64_t paused_by)>;

  Partitions(runtime::EventLoop& loop, const MQConfig& config, runtime::Scope& scope,
             AddSource add_source, Follow follow);
  ~Partitions();
  Partitions(const Partitions&) = delete;
  Partitions& operator=(const Partitions&) = delete;

  void add(const Topic& topic);
  /// Its topic was added before, and those of the partitions before it.
  void add(Source& source);

  /// A claim was answered: with the version of the settings at that source.
  void claimed(const Source& source, std::int64_t version);
  /// A sweep was.
  void swept(const Source& source, std::int64_t version);
  /// The version of the settings that are known of a topic, and followed.
  [[nodiscard]] std::int64_t follows(const Topic& topic) const;
  /// There are settings of this version: if they are not known, they are read, by and by.
  void look(const Topic& topic, std::int64_t version);
  /// Nothing further begins.
  void stop() noexcept { stopped_ = true; }

 private:
  struct Part {
    Source* source = nullptr;
    bool claimed = false;                           // from it, by this process
    bool copying = false;                           // the settings, to it
    std::optional<runtime::TimePoint> ahead_since;  // its settings are later than the topic's
  };
  struct Record {
    explicit Record(const Topic& of) : topic(of) {}

    const Topic& topic;
    std::deque<Part> parts;  // by partition
    std::unique_ptr<broker::SettingsWatch> settings;
    bool growing = false;
    bool raising = false;  // `active`, or `ids_active`, or the version
  };

  [[nodiscard]] static bool paused(const Record& record);
  void told(Record& record, Part& part, std::int64_t version);
  void changed(Record& record);
  Task<> grow(Record* record, Raised growing);
  Task<> copy(Record* record, Part* part, Raised copying);
  void raise_active(Record& record);
  Task<> send_active(Record* record, Raised raising);
  void raise_ids(Record& record);
  Task<> send_ids(Record* record, Raised raising);
  Task<bool> ids_may_move(Record* record, broker::StoredSettings is);
  static Task<bool> any_id_in_use(Source* source);
  Task<bool> hold_ids(Record* record, broker::StoredSettings is);
  void open_again(Record& record);
  Task<> touch(Record* record, Raised raising);
  void ahead(Record& record, Part& part, std::int64_t version);
  Task<> catch_up(Record* record, Part* part, Raised raising);
  void failed(const Record& record, std::string_view what, std::string_view why);
  [[nodiscard]] runtime::TimePoint deadline() const;

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  runtime::Scope& scope_;
  const AddSource add_source_;
  const Follow follow_;
  std::deque<Record> records_;  // by topic
  bool stopped_ = false;
  runtime::log::Every failure_gate_{std::chrono::seconds(10)};
};

}  // namespace mx_rmq::worker

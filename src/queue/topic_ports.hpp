#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "queue/topic_port.hpp"
#include "redis/topology/client.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// The ports of a queue by topic and partition, made as they are used. One that nobody uses and
/// that has nothing under way goes after a while, and so does the one that has been unused for
/// longest when many are: whoever speaks to many topics does not pay for them for ever.
///
/// A port made anew goes on with the producer id and beyond the batch numbers of all that went, so
/// Redis keeps no further number for it and refuses late copies of what an earlier one has sent.
///
/// Loop thread only. Client, scope and configuration must outlive it.
class TopicPorts {
 public:
  struct Limits {
    std::size_t unused = 4096;  ///< most that stay though nobody uses them
    runtime::Duration unused_for = std::chrono::minutes(1);  ///< and for how long
  };

  TopicPorts(redis::Client& client, runtime::Scope& scope, const MQConfig& config, Limits limits);
  ~TopicPorts();
  TopicPorts(const TopicPorts&) = delete;
  TopicPorts& operator=(const TopicPorts&) = delete;

 private:
  struct Entry;

 public:
  /// A port in use: it stays until this ends, which must be before the end of its TopicPorts.
  class Use {
   public:
    Use(Use&& other) noexcept : ports_(other.ports_), entry_(other.entry_) {
      other.entry_ = nullptr;
    }
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Use& operator=(Use&&) = delete;

    TopicPort& operator*() const noexcept;
    TopicPort* operator->() const noexcept { return &**this; }

   private:
    friend class TopicPorts;
    Use(TopicPorts& ports, Entry& entry) noexcept;

    TopicPorts* ports_;
    Entry* entry_;
  };

  /// Of partition 0.
  [[nodiscard]] Use use(const std::string& topic) { return use(topic, topic, 0); }
  /// Of another one, which has that hash tag.
  [[nodiscard]] Use use(const std::string& tag, const std::string& topic, int partition);
  /// The topic's port goes now, unless somebody uses it or it has something under way.
  void drop(const std::string& topic);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  /// Ends producing, see Producer::close().
  Task<> close(runtime::TimePoint deadline);

 private:
  void released(Entry& entry);
  void trim();
  void arm();
  bool erase(Entry& entry);

  redis::Client& client_;
  runtime::Scope& scope_;
  const MQConfig& config_;
  const Limits limits_;
  const std::string producer_id_;
  std::uint64_t last_number_ = 0;  // the highest of the ports that went
  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
  std::list<Entry*> unused_;  // the one unused for longest in front
  runtime::TimerId timer_;
};

}  // namespace mx_rmq::queue

// Sees each script that the server runs, and tells the books what it did to which message.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "books.hpp"
#include "broker/data/keys.hpp"
#include "mini_redis.hpp"

namespace mx_rmq::sim {

class Watcher {
 public:
  Watcher(Books& books, const Scheduler& scheduler, MiniRedis& redis);

  // Around each command that is carried out for `node`. `sure`: no clock was set of late.
  void before(const Arguments& command, std::int64_t now_ms, bool sure);
  void after(const Arguments& command, const Value& reply, int node);

  // Of the script that `command` calls; empty: it calls none.
  std::string_view script_of(const Arguments& command) const;
  // The node that a consumer belongs to; -1: not known.
  int owner(std::string_view consumer) const;

  // The server's data is that of an earlier moment; only what is under these hash tags, if some are
  // named.
  void rolled_back(const std::set<std::string>& tags = {});
  // The hash tags that there are.
  std::set<std::string> tags() const;
  // The server's clock was set, or its data rolled back: who holds what is less sure for a while.
  void new_epoch() noexcept { epoch_ = scheduler_.now(); }
  // When that was last so; before the beginning: never.
  TimePoint epoch() const noexcept { return epoch_; }

  // Is each message exactly where the books say that it is?
  void check_places() const;
  // The script audit of each topic, at the end; with `alone` nobody may be registered any more.
  void audit(const std::vector<std::string>& topics, int partitions, bool alone);
  // Keys and chosen ids count as in work for longer than a world lasts: where none is, as if that
  // time had passed.
  void let_time_pass(const std::vector<std::string>& topics, int partitions);
  // Nothing waits, is delayed or is held.
  bool drained() const;

  // The messages of a list of envelopes, or of a hash of them, at a key.
  std::vector<Record*> messages_at(const std::string& key) const;

 private:
  using Held = std::map<std::string, Record*>;  // by tag
  struct Place {
    std::string holder;  // empty: it waits
    std::string tag;
  };
  using Places = std::multimap<Record*, Place>;

  Record* record_of(std::string_view envelope) const;
  Held held_at(const std::string& key) const;
  Places places() const;
  std::string key(const Arguments& command, std::size_t index) const {  // from 1, as KEYS
    return command[2 + index];
  }
  const std::string& argument(const Arguments& command, std::size_t index) const {
    return command[2 + keys_ + index];
  }

  void claimed(const Arguments& command, const Value& reply, int node, bool suspect);
  void produced(const Arguments& command, const Value& reply);
  void taken(const Arguments& command, const std::string& consumer);
  void swept(const Value& reply, bool dropped);
  void expire(const Record& record);
  void enqueue(std::string_view envelope, std::int64_t due_ms);
  void look_for_split(const Record& record);
  void excuse_after_failover(Record& record);
  std::string version_at(const std::string& tag) const;
  void audit(const broker::TopicKeys& keys, bool alone);

  Books& books_;
  const Scheduler& scheduler_;
  MiniRedis& redis_;
  std::unordered_map<std::string, std::string> scripts_;  // sha -> name
  std::map<std::string, int, std::less<>> owners_;        // consumer, without its incarnation
  TimePoint epoch_ = TimePoint::min();
  // By topic: when partitions of it last forgot something that others did not.
  std::map<std::string, TimePoint> at_odds_since_;

  // Of the call under way.
  std::string tag_;  // the hash tag of its keys
  std::string script_;
  std::size_t keys_ = 0;
  bool sure_ = true;
  Held held_;
  std::vector<Record*> expired_;
};

}  // namespace mx_rmq::sim

// What the scripts are to do, in plain C++: written from the protocol and the scripts' headers, not
// from their text.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "call.hpp"
#include "envelope_text.hpp"

namespace mx_rmq::test {

// Everything a server holds: key -> its type, then its contents (lists in order, hashes by field,
// zsets by score and member).
using State = std::map<std::string, std::vector<std::string>>;

// One topic.
struct TopicModel {
  using Index = std::map<std::string, std::int64_t>;  // member -> score
  using Data = std::map<std::string, std::string>;

  std::array<std::deque<std::string>, 4> ready;  // high, normal, low, suspect
  Index delayed;
  Data delayed_data;
  std::map<std::string, Data> processing;  // consumer -> tag -> envelope
  Index consumers;
  Index dead;
  Data dead_data;  // line, newline, envelope
  Data ids;
  Data producers;
  Data settings;
  Data answers;                     // token -> what was answered
  Index idle;                       // alias -> idle since, or minus the ms at which it was told
  std::set<std::string> listeners;  // aliases: somebody listens to their channels
  std::map<std::string, std::int64_t> stats;
  std::deque<std::string> history_1m;
  std::deque<std::string> history_10m;
  // What left for good, by the user's word: not on the server.
  std::vector<std::string> ended;
  // What was published: "<alias> <payload>".
  std::vector<std::string> heard;

  std::size_t size() const;  // messages in any place
};

class Model {
 public:
  // Carries a call out and tells what the script answers.
  Value run(const ScriptOp& op);
  State state() const;
  TopicModel& topic(const std::string& name) { return topics_[name]; }
  const std::map<std::string, TopicModel>& topics() const { return topics_; }

 private:
  std::map<std::string, TopicModel> topics_;
};

// A zset in its order.
std::vector<std::pair<std::int64_t, std::string>> in_order(const TopicModel::Index& index);

// A script, carried out on a topic at `now` ms.
struct ModelCall {
  TopicModel& t;
  const Call& call;
  std::int64_t now;

  const std::string& arg(std::size_t i) const {
    return call.argv.at(i - 1);
  }  // from 1, as in the headers
  std::int64_t num(std::size_t i) const { return std::stoll(arg(i)); }
  bool has(std::size_t i) const { return i <= call.argv.size(); }

  // delivery
  Value produce();
  Value claim();
  Value suspect();
  Value ack();
  Value retry();
  Value dead();
  Value release();
  Value tend();
  Value reap();
  Value leave();
  Value pass();
  Value unlist();
  // housekeeping
  Value sweep();
  Value cancel();
  Value cancel_page();
  Value dlq_list();
  Value dlq_get();
  Value requeue();
  Value requeue_all();
  Value dlq_remove();
  Value dlq_purge();
  Value stats();
  Value snapshot();
  Value forget();
  Value audit();
  Value settings();
  Value configure();
  Value copy_settings();
  Value raise_ids();
  Value ask();
  Value answer();

  // looking at messages
  Value look_list();
  Value look_index();
  Value look_held();

  // changing messages
  Value promote();
  Value reschedule();
  Value displace();
  Value purge_list();
  Value purge_delayed();

  // shared
  // When a span that begins now is surely over: `now` may be a whole ms old.
  std::int64_t after(std::int64_t span) const { return now + 1 + span; }
  bool alive(const std::string& consumer) const;  // registered and not being reaped
  Value settle_lost(std::int64_t tags);
  std::string lapsed_but(const std::string& me) const;
  std::deque<std::string>& home(const std::string& envelope);
  // Both return the name that was taken.
  std::string put(TopicModel::Index& index, TopicModel::Data& data, const std::string& member,
                  std::int64_t score, const std::string& value);
  void bury(const std::string& member, const std::string& line, const std::string& envelope);
  std::vector<std::string> cap(std::int64_t most, std::int64_t added);
  void free_own(const EnvelopeText& e, const std::string& entry);
  void redate(EnvelopeText& e, std::int64_t due);
  std::deque<std::string>& named_list(std::size_t i);
  void remove_dead(const std::string& member);
  // Whether it could be read, and whether its list was empty.
  std::pair<bool, bool> revive(const std::string& member);
  void wake(std::int64_t n, std::int64_t hops, const std::string& but = "");
  void wake_again();
  void forget_the_gone(const std::vector<std::pair<std::int64_t, std::string>>& listed);
  bool quiet() const;
  bool takeable() const;
  // As claim, sweep and produce tell it: 0 = none, -1 = it cannot be read.
  std::int64_t settings_version() const;
  // 0: it is not paused, or what is stored cannot be read.
  std::int64_t paused_until() const;
  // The settings with their defaults; or the name of the field that cannot be read.
  std::pair<TopicModel::Data, std::string> read_settings() const;
  void tell_settings(Value& out) const;
};

}  // namespace mx_rmq::test

// Draws random calls as clients that follow the protocol make them: some are lost, some repeated,
// some executed late.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "model.hpp"

namespace mx_rmq::test {

class World {
 public:
  // `model` is what the calls are drawn from; the caller runs each call on it.
  World(std::uint64_t seed, Model& model);

  // The next call to execute. Then tell its reply: the world decides whether the client sees it.
  ScriptOp next();
  void reply(const Value& value);

  // Marks of the messages that a produce which was executed has accepted.
  const std::set<std::string>& accepted() const { return accepted_; }
  bool unique_ids() const { return unique_ids_; }

 private:
  struct Consumer {
    std::string base;
    int incarnation = 0;
    std::int64_t claim = 0;
    std::int64_t sweep = 0;
    std::map<std::string, std::string> held;  // tag -> envelope
    std::set<std::string> settling;           // tags
    std::vector<Call> unanswered;             // settles without a reply
    bool unknown = false;                     // a claim without a reply
    bool reclaim_alarm = false;
    bool listed = false;
    std::int64_t alarm = 0;
    std::string name() const { return base + "." + std::to_string(incarnation); }
    void lost();
  };
  struct Producer {
    std::string name;
    std::int64_t number = 0;
    std::vector<Call> unanswered;
  };
  struct Topic {
    std::string name;
    std::vector<Consumer> consumers;
    std::vector<Producer> producers;
  };

  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : rng_() % n; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  std::int64_t now_ms() const { return now_us_ / 1000; }

  void step_to_an_edge();
  Call draw();
  Call produce();
  std::string envelope(const std::string& id, std::int64_t due, bool chosen);
  std::string some_id(bool& chosen);
  Call claim();
  Call suspect();
  Call settle();
  Call tend();
  Call reap();
  Call sweep();
  Call leave();
  Call pass();
  Call unlist();
  Call cancel();
  Call dead_letters();
  Call look();
  Call look_at_messages();
  Call change_messages();
  Call displace();
  Call forget();
  Call only_suspects();  // towards a topic that has no other messages, and then forget
  Call settings();
  Call raise_ids();
  Call question();
  std::string some_version();
  bool is_paused();
  std::string some_pause();
  Call cancel_waiting();  // one of those that wait, if there is one
  std::vector<std::string> tags_to_settle();
  std::string waiting_id();
  std::optional<EnvelopeText> waiting_chosen();
  std::string dead_member();

  void told(const Call& call, const Value& value);
  void told_claim(const Call& call, const Value& value);
  void settled(const Call& call, bool lost);
  void unanswered(const Call& call);

  std::mt19937_64 rng_;
  Model& model_;
  std::int64_t now_us_;
  std::vector<Topic> topics_;
  std::size_t topic_ = 0;
  std::size_t consumer_ = 0;
  std::size_t producer_ = 0;
  bool unique_ids_;
  bool caps_;
  bool long_leases_;
  bool sparse_;         // topics are empty now and then
  bool configured_;     // something is set for them
  std::string forced_;  // the script to call next
  std::uint64_t serial_ = 0;
  std::set<std::string> accepted_;
  struct Late {
    Call call;
    std::size_t consumer = 0;
    bool known = false;  // the client has its answer already: a second copy
  };
  std::vector<Late> late_;
  // The call under way.
  Call current_;
  enum class Fate { answered, unanswered, late_copy } fate_ = Fate::answered;

  Topic& topic() { return topics_[topic_]; }
  Consumer& consumer() { return topic().consumers[consumer_]; }
  TopicModel& data() { return model_.topic(topic().name); }
};

}  // namespace mx_rmq::test

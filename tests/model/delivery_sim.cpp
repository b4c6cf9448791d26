#include "delivery_sim.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace mx_rmq::test {
namespace {

constexpr std::int64_t lease = 100;
constexpr int client_count = 3;

struct Client {
  std::string base;
  int incarnation = 0;
  std::int64_t number = 0;
  std::map<std::string, std::string> held;      // tag -> envelope, not handled yet
  std::map<std::string, std::string> settling;  // handled, not acknowledged yet
  std::set<std::string> returning;              // tags of a retry or release without a reply
  bool unknown = false;                         // a claim without a reply
  std::string name() const { return base + "." + std::to_string(incarnation); }
  bool idle() const { return held.empty() && settling.empty() && returning.empty(); }
};

class Simulation {
 public:
  Simulation(ScriptServer& server, std::uint64_t seed, ClientBug bug)
      : server_(server), rng_(seed), bug_(bug) {
    server_.flush();
    for (int i = 0; i < client_count; ++i) {
      clients_.emplace_back();
      clients_.back().base = "c" + std::to_string(i);
    }
    produce();
  }

  DeliveryResult run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    heal();
    return result_;
  }

 private:
  std::uint64_t below(std::uint64_t n) { return rng_() % n; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }

  void produce() {
    std::vector<std::string> lists{"high", "normal", "low"};
    std::vector<std::string> counts;
    std::vector<std::string> plain;
    int serial = 0;
    for (const std::string& list : lists) {
      counts.push_back("12");
      for (int i = 0; i < 12; ++i) plain.push_back(fresh(++serial, list[0]).text());
    }
    std::vector<std::string> argv{"1", "60000000", "3", "1", "0"};
    argv.insert(argv.end(), counts.begin(), counts.end());
    argv.insert(argv.end(), plain.begin(), plain.end());
    for (int i = 0; i < 24; ++i) {
      const EnvelopeText e = fresh(++serial, "hnl"[i % 3]);
      argv.insert(argv.end(),
                  {"0", std::to_string(start_ms + static_cast<std::int64_t>(below(3000))), e.id,
                   "0", e.text()});
    }
    server_.run(at(0, "produce", "p", argv, lists));
  }

  EnvelopeText fresh(int serial, char priority) {
    all_.insert(std::to_string(serial));
    EnvelopeText e = message(serial, priority);
    e.expire = start_ms + 1'000'000'000'000;
    e.limit = 100'000;
    return e;
  }

  // Lost on the way, lost on the way back, executed late, or answered.
  std::optional<Value> send(const ScriptOp& op) {
    const std::uint64_t luck = below(100);
    if (luck < 80) return server_.run(op);
    if (luck < 87) return {};
    if (luck < 93) {
      server_.run(op);
      return {};
    }
    late_.push_back(op);
    return {};
  }

  void told_lost(Client& c) {
    if (bug_ != ClientBug::keep_name_after_lost) ++c.incarnation;
    c.number = 0;
    c.held.clear();
    c.settling.clear();
    c.returning.clear();
    c.unknown = false;
  }

  void claim_some(Client& c, bool suspects) {
    if (c.unknown && bug_ != ClientBug::resend_claims) return;  // tend settles it first
    if (!c.unknown) ++c.number;
    if (suspects && !c.idle()) return;  // a suspect runs alone
    const std::string number = std::to_string(c.number);
    const std::string first = c.idle() ? "1" : "0";
    const ScriptOp op =
        suspects ? at(now_, "suspect", c.name(), {c.name(), std::to_string(lease), number, first})
                 : at(now_, "claim", c.name(),
                      {std::to_string(1 + below(6)), c.name(), std::to_string(lease),
                       std::to_string(1 + below(5)), number, first, chance(30) ? "150" : "100000",
                       "2", "0"});
    const auto reply = send(op);
    if (!reply) {
      c.unknown = true;
      return;
    }
    c.unknown = false;
    if ((*reply)[1].str() == "lost") {
      told_lost(c);
      return;
    }
    for (std::size_t i = suspects ? 3 : 7, k = 1; i < reply->elements.size(); ++i, ++k) {
      c.held[number + "." + std::to_string(k)] = (*reply)[i].str();
    }
  }

  void finish_one(Client& c) {
    if (c.held.empty()) return;
    auto found = c.held.begin();
    std::advance(found, static_cast<std::ptrdiff_t>(below(c.held.size())));
    const std::string mark = mark_of(found->second);
    if (!handled_.insert(mark).second && result_.rollbacks == 0 && result_.lapses == 0 &&
        !doubtful_.contains(mark)) {
      ++result_.handled_twice_unexplained;
    }
    c.settling.insert(*found);
    c.held.erase(found);
  }

  // Acknowledges some of what was handled, or retries or releases some of what was not.
  void settle(Client& c) {
    const bool ack = chance(70);
    auto& from = ack ? c.settling : c.held;
    if (from.empty()) return;
    std::vector<std::string> tags;
    for (const auto& [tag, e] : from) {
      if (tags.size() < 3 && chance(60)) tags.push_back(tag);
    }
    if (tags.empty()) return;
    ScriptOp op = at(now_, "ack", c.name(), {c.name(), "completed", "", "0"});
    if (ack) {
      op.call.argv.insert(op.call.argv.end(), tags.begin(), tags.end());
    } else {
      op.call.script = chance(50) ? "retry" : "release";
      op.call.argv = {c.name()};
      std::sort(tags.begin(), tags.end(),
                [](const std::string& a, const std::string& b) { return index(a) > index(b); });
      for (const std::string& tag : tags) {
        EnvelopeText e = *EnvelopeText::parse(from.at(tag));
        const std::string length = std::to_string(e.head().size());
        ++e.attempts;
        if (op.call.script == "retry") {
          op.call.argv.insert(op.call.argv.end(),
                              {tag, std::to_string(below(100)), e.id, length, e.head()});
        } else {
          op.call.argv.insert(op.call.argv.end(), {tag, length, chance(50) ? "" : e.head()});
        }
      }
    }
    const auto reply = send(op);
    if (!reply) {
      for (const std::string& tag : tags) doubtful_.insert(mark_of(from.at(tag)));
      // The client goes on trying this very call; what it wanted given back it no longer runs.
      if (!ack) {
        for (const std::string& tag : tags) {
          c.returning.insert(tag);
          from.erase(tag);
        }
        pending_.push_back({c.name(), op, tags});
      }
      return;
    }
    if (reply->kind == Value::Kind::integer ? reply->integer == -1 : (*reply)[1].str() == "lost") {
      told_lost(c);
      return;
    }
    const std::int64_t found =
        reply->kind == Value::Kind::integer ? reply->integer : (*reply)[2].num();
    const bool doubtful = std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
      return doubtful_.contains(mark_of(from.at(tag)));
    });
    if (found < static_cast<std::int64_t>(tags.size()) && result_.rollbacks == 0 && !doubtful)
      ++result_.lost_and_not_told;
    for (const std::string& tag : tags) from.erase(tag);
  }

  void resend(Client& c) {
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (pending_[i].who != c.name()) continue;
      ScriptOp op = pending_[i].op;
      op.now_us = (start_ms + now_) * 1000;
      const auto reply = send(op);
      if (!reply) return;
      const std::vector<std::string> tags = pending_[i].tags;
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
      if ((*reply)[1].str() == "lost") {
        told_lost(c);
        return;
      }
      for (const std::string& tag : tags) c.returning.erase(tag);
      return;
    }
  }

  void tend(Client& c) {
    if (c.idle() && !c.unknown) return;
    ScriptOp op = at(now_, "tend", c.name(),
                     {c.name(), std::to_string(lease), std::to_string(c.number),
                      std::to_string(1 + below(4)), chance(30) ? "150" : "100000"});
    for (const auto& [tag, e] : c.held) op.call.argv.push_back(tag);
    for (const auto& [tag, e] : c.settling) op.call.argv.push_back(tag);
    op.call.argv.insert(op.call.argv.end(), c.returning.begin(), c.returning.end());
    const auto reply = send(op);
    if (!reply) return;
    if ((*reply)[1].str() == "lost") {
      told_lost(c);
      return;
    }
    if (bug_ != ClientBug::resend_claims) c.unknown = false;
    for (std::size_t i = 3; i < reply->elements.size(); ++i) {
      // One of a retry or release that is still under way is for its reply to tell.
      c.held.erase((*reply)[i].str());
      c.settling.erase((*reply)[i].str());
    }
  }

  bool reap(bool surely) {
    const Value due =
        server_.client().command({"ZRANGEBYSCORE", key(fixture_topic, "consumers"), "-inf",
                                  std::to_string(start_ms + now_), "LIMIT", "0", "1"});
    if (due.elements.empty()) return false;
    ++result_.lapses;
    const std::string& who = due[0].str();
    const ScriptOp op =
        at(now_, "reap", who, {who, "3", chance(30) ? "150" : "100000", "100000", "0"});
    if (surely) {
      server_.run(op);
    } else {
      send(op);
    }
    return true;
  }

  void snapshot() {
    saved_.clear();
    for (const Value& name : server_.client().command({"KEYS", "*"}).elements) {
      saved_.emplace_back(name.str(), server_.client().command({"DUMP", name.str()}).str());
    }
  }

  void roll_back() {
    if (saved_.empty()) return;
    server_.flush();
    for (const auto& [name, bytes] : saved_)
      server_.client().command({"RESTORE", name, "0", bytes});
    ++result_.rollbacks;
    late_.clear();  // the connections to the old server are gone
  }

  void step() {
    now_ += static_cast<std::int64_t>(
        chance(6) ? 60 : (std::array<std::uint64_t, 5>{0, 1, 1, 5, 20})[below(5)]);
    Client& c = clients_[below(clients_.size())];
    const std::uint64_t luck = below(1000);
    if (luck < 140)
      claim_some(c, false);
    else if (luck < 180)
      claim_some(c, true);
    else if (luck < 380)
      finish_one(c);
    else if (luck < 560)
      settle(c);
    else if (luck < 620)
      resend(c);
    else if (luck < 770)
      tend(c);
    else if (luck < 870)
      reap(false);
    else if (luck < 970)
      execute_late();
    else if (luck < 985)
      snapshot();
    else if (luck < 992)
      roll_back();
  }

  void execute_late() {
    if (late_.empty()) return;
    const std::size_t i = below(late_.size());
    ScriptOp op = late_[i];
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
    op.now_us = (start_ms + now_) * 1000;
    server_.run(op);
    if (result_.rollbacks > 0 || op.call.script != "tend") return;
    const Value keys =
        server_.client().command({"HKEYS", key(fixture_topic, "processing:" + op.call.who)});
    const std::vector<std::string> tags = keys.strings();
    const Value score =
        server_.client().command({"ZSCORE", key(fixture_topic, "consumers"), op.call.who});
    if (score.is_nil() || score.str() == "0") return;
    for (const Client& each : clients_) {
      if (each.name() != op.call.who) continue;
      for (const auto& [tag, e] : each.held) {
        if (std::count(tags.begin(), tags.end(), tag) == 0) ++result_.given_away_while_held;
      }
    }
  }

  // The network is whole again, every client is gone; what is left must reach a new one.
  void heal() {
    late_.clear();
    std::set<std::string> present;
    for (const auto& [mark, where] : places(server_.state())) present.insert(mark);
    for (const std::string& mark : all_) {
      if (!handled_.contains(mark) && !present.contains(mark)) result_.lost.insert(mark);
    }
    now_ += 1'000'000;
    for (int i = 0; i < 300 && reap(true);) ++i;
    for (const auto& [name, row] : server_.state()) {
      if (name.find("}:processing:") != std::string::npos) result_.orphans.push_back(name);
    }
    std::set<std::string> got{""};  // what is no envelope has no mark
    for (int i = 1; i <= 60 && got.size() <= present.size(); ++i) {
      for (const ScriptOp& op :
           {claim(now_, "z.0", 2 * i, 10, i == 1, 10'000),
            at(now_, "suspect", "z.0",
               {"z.0", "10000", std::to_string(2 * i + 1), i == 1 ? "1" : "0"})}) {
        const Value reply = server_.run(op);
        for (const Value& each : reply.elements) got.insert(mark_of(each.text));
      }
    }
    for (const std::string& mark : present) {
      if (!got.contains(mark)) result_.stranded.insert(mark);
    }
    result_.handled = handled_.size();
  }

  static std::pair<std::int64_t, std::int64_t> index(const std::string& tag) {
    const auto dot = tag.find('.');
    return {std::stoll(tag.substr(0, dot)), std::stoll(tag.substr(dot + 1))};
  }

  struct Pending {
    std::string who;
    ScriptOp op;
    std::vector<std::string> tags;
  };

  ScriptServer& server_;
  std::mt19937_64 rng_;
  ClientBug bug_;
  std::int64_t now_ = 1;
  std::vector<Client> clients_;
  std::vector<ScriptOp> late_;
  std::vector<Pending> pending_;
  std::vector<std::pair<std::string, std::string>> saved_;
  std::set<std::string> all_;
  std::set<std::string> handled_;
  std::set<std::string> doubtful_;
  DeliveryResult result_;
};

}  // namespace

std::string DeliveryResult::faults() const {
  std::string out;
  const auto add = [&out](const char* what, std::size_t n) {
    if (n > 0) out += (out.empty() ? "" : ", ") + std::to_string(n) + " " + what;
  };
  add("lost", lost.size());
  add("stranded", stranded.size());
  add("orphaned hashes", orphans.size());
  add("handled twice for no reason", static_cast<std::size_t>(handled_twice_unexplained));
  add("given away while held", static_cast<std::size_t>(given_away_while_held));
  add("lost and not told", static_cast<std::size_t>(lost_and_not_told));
  return out;
}

DeliveryResult simulate_delivery(ScriptServer& server, std::uint64_t seed, int steps,
                                 ClientBug bug) {
  return Simulation(server, seed, bug).run(steps);
}

}  // namespace mx_rmq::test

#include "model.hpp"

#include <algorithm>
#include <stdexcept>

namespace mx_rmq::test {

std::vector<std::pair<std::int64_t, std::string>> in_order(const TopicModel::Index& index) {
  std::vector<std::pair<std::int64_t, std::string>> out;
  for (const auto& [member, score] : index) out.emplace_back(score, member);
  std::sort(out.begin(), out.end());
  return out;
}

std::size_t TopicModel::size() const {
  std::size_t n = delayed.size() + dead.size();
  for (const auto& list : ready) n += list.size();
  for (const auto& [consumer, held] : processing) n += held.size();
  return n;
}

Value Model::run(const ScriptOp& op) {
  TopicModel& t = topics_[op.call.topic];
  ModelCall c{t, op.call, op.now_us / 1000};
  const std::string& name = op.call.script;
  if (name == "listen" || name == "unlisten") {
    if (name == "listen") {
      t.listeners.insert(op.call.who);
    } else {
      t.listeners.erase(op.call.who);
    }
    return number(1);
  }
  if (name == "expire") return number(static_cast<std::int64_t>(t.producers.erase(op.call.who)));
  using Member = Value (ModelCall::*)();
  static const std::map<std::string, Member> table{{"produce", &ModelCall::produce},
                                                   {"claim", &ModelCall::claim},
                                                   {"suspect", &ModelCall::suspect},
                                                   {"ack", &ModelCall::ack},
                                                   {"retry", &ModelCall::retry},
                                                   {"dead", &ModelCall::dead},
                                                   {"release", &ModelCall::release},
                                                   {"tend", &ModelCall::tend},
                                                   {"reap", &ModelCall::reap},
                                                   {"leave", &ModelCall::leave},
                                                   {"pass", &ModelCall::pass},
                                                   {"unlist", &ModelCall::unlist},
                                                   {"sweep", &ModelCall::sweep},
                                                   {"cancel", &ModelCall::cancel},
                                                   {"cancel_page", &ModelCall::cancel_page},
                                                   {"dlq_list", &ModelCall::dlq_list},
                                                   {"dlq_get", &ModelCall::dlq_get},
                                                   {"requeue", &ModelCall::requeue},
                                                   {"requeue_all", &ModelCall::requeue_all},
                                                   {"dlq_remove", &ModelCall::dlq_remove},
                                                   {"dlq_purge", &ModelCall::dlq_purge},
                                                   {"stats", &ModelCall::stats},
                                                   {"snapshot", &ModelCall::snapshot},
                                                   {"forget", &ModelCall::forget},
                                                   {"audit", &ModelCall::audit},
                                                   {"promote", &ModelCall::promote},
                                                   {"reschedule", &ModelCall::reschedule},
                                                   {"displace", &ModelCall::displace},
                                                   {"purge_list", &ModelCall::purge_list},
                                                   {"purge_delayed", &ModelCall::purge_delayed},
                                                   {"look_list", &ModelCall::look_list},
                                                   {"look_index", &ModelCall::look_index},
                                                   {"look_held", &ModelCall::look_held},
                                                   {"settings", &ModelCall::settings},
                                                   {"configure", &ModelCall::configure},
                                                   {"copy_settings", &ModelCall::copy_settings},
                                                   {"raise_ids", &ModelCall::raise_ids},
                                                   {"ask", &ModelCall::ask},
                                                   {"answer", &ModelCall::answer}};
  return (c.*table.at(name))();
}

namespace {

template <class Map>
void add_hash(State& out, const std::string& name, const Map& map) {
  if (map.empty()) return;
  std::vector<std::string>& row = out[name];
  row = {"hash"};
  for (const auto& [field, value] : map) {
    row.push_back(field);
    if constexpr (std::is_integral_v<std::decay_t<decltype(value)>>) {
      row.push_back(std::to_string(value));
    } else {
      row.push_back(value);
    }
  }
}

void add_list(State& out, const std::string& name, const std::deque<std::string>& list) {
  if (list.empty()) return;
  std::vector<std::string>& row = out[name];
  row = {"list"};
  row.insert(row.end(), list.begin(), list.end());
}

void add_index(State& out, const std::string& name, const TopicModel::Index& index) {
  if (index.empty()) return;
  std::vector<std::string>& row = out[name];
  row = {"zset"};
  for (const auto& [score, member] : in_order(index)) {
    row.push_back(member);
    row.push_back(std::to_string(score));
  }
}

}  // namespace

State Model::state() const {
  State out;
  static const std::array<std::string, 4> lists{"high", "normal", "low", "suspect"};
  for (const auto& [topic, t] : topics_) {
    const auto name = [&topic = topic](const std::string& rest) { return key(topic, rest); };
    for (std::size_t i = 0; i < lists.size(); ++i) {
      add_list(out, name("ready:" + lists[i]), t.ready[i]);
    }
    add_index(out, name("delayed"), t.delayed);
    add_hash(out, name("delayed:data"), t.delayed_data);
    for (const auto& [consumer, held] : t.processing)
      add_hash(out, name("processing:" + consumer), held);
    add_index(out, name("consumers"), t.consumers);
    add_index(out, name("dlq"), t.dead);
    add_hash(out, name("dlq:data"), t.dead_data);
    add_hash(out, name("ids"), t.ids);
    for (const auto& [producer, batch] : t.producers)
      out[name("producer:" + producer)] = {"string", batch};
    for (const auto& [token, said] : t.answers) out[name("answers:" + token)] = {"string", said};
    add_index(out, name("idle"), t.idle);
    add_hash(out, name("stats"), t.stats);
    add_hash(out, name("settings"), t.settings);
    add_list(out, name("history:1m"), t.history_1m);
    add_list(out, name("history:10m"), t.history_10m);
  }
  return out;
}

bool ModelCall::alive(const std::string& consumer) const {
  const auto found = t.consumers.find(consumer);
  return found != t.consumers.end() && found->second > 0;
}

// Who is idle, and has been for longest, is told first; 32 are looked at. Whom nobody listens to is
// removed.
void ModelCall::wake(std::int64_t n, std::int64_t hops, const std::string& but) {
  int looked = 0;
  for (const auto& [since, who] : in_order(t.idle)) {
    if (since <= 0) continue;
    if (n == 0 || looked++ == 32) break;
    if (who == but) continue;
    if (t.listeners.contains(who)) {
      t.heard.push_back(who + " w" + std::to_string(hops));
      t.idle[who] = -now;
      --n;
    } else {
      t.idle.erase(who);
    }
  }
}

// Nobody is there, or somebody was told a moment ago.
bool ModelCall::quiet() const {
  return t.idle.empty() || in_order(t.idle).front().first < 20 - now;
}

void ModelCall::wake_again() {
  if (!quiet()) wake(1, 0);
}

bool ModelCall::takeable() const {
  for (std::size_t i = 0; i < 3; ++i)
    if (!t.ready[i].empty()) return true;
  return !t.delayed.empty() && in_order(t.delayed).front().first <= now;
}

Value ModelCall::settle_lost(std::int64_t tags) {
  t.stats["lease_lost"] += tags;
  return array({number(now), text("lost")});
}

std::string ModelCall::lapsed_but(const std::string& me) const {
  for (const auto& [deadline, consumer] : in_order(t.consumers)) {
    if (deadline > now) break;
    if (consumer != me) return consumer;
  }
  return "";
}

std::deque<std::string>& ModelCall::home(const std::string& envelope) {
  const char place = EnvelopeText::home_of(envelope);
  return t.ready[place == 'h' ? 0 : place == 'n' ? 1 : place == 'l' ? 2 : 3];
}

std::string ModelCall::put(TopicModel::Index& index, TopicModel::Data& data,
                           const std::string& member, std::int64_t score,
                           const std::string& value) {
  std::string name = member;
  for (std::size_t k = data.size(); data.contains(name); ++k)
    name = member + "~" + std::to_string(k);
  data[name] = value;
  index[name] = score;
  return name;
}

void ModelCall::bury(const std::string& member, const std::string& line,
                     const std::string& envelope) {
  put(t.dead, t.dead_data, member, now, line + "\n" + envelope);
  ++t.stats["dead"];
  static const std::set<std::string> reasons{"retries", "rejected", "expired",
                                             "decode",  "poison",   "interrupted"};
  const std::string reason = line.substr(0, line.find('\t'));
  ++t.stats["dead:" + (reasons.contains(reason) ? reason : "other")];
  if (const auto e = EnvelopeText::parse(envelope); e && e->until != 0) {
    const auto entry = t.ids.find(e->id);
    if (entry != t.ids.end() && entry->second == std::to_string(e->until)) entry->second = "0";
  }
}

void ModelCall::free_own(const EnvelopeText& e, const std::string& entry) {
  if (e.until == 0) return;
  const auto found = t.ids.find(e.id);
  if (found != t.ids.end() && found->second == entry) t.ids.erase(found);
}

void ModelCall::remove_dead(const std::string& member) {
  const std::string& value = t.dead_data.at(member);
  const std::string envelope = value.substr(value.find('\n') + 1);
  if (const auto e = EnvelopeText::parse(envelope)) free_own(*e, "0");
  t.ended.push_back(envelope);
  t.dead.erase(member);
  t.dead_data.erase(member);
}

std::vector<std::string> ModelCall::cap(std::int64_t most, std::int64_t added) {
  std::vector<std::string> out;
  if (most <= 0) return out;
  while (static_cast<std::int64_t>(t.dead.size()) > most &&
         static_cast<std::int64_t>(out.size()) < 2 * added) {
    out.push_back(in_order(t.dead).front().second);
    remove_dead(out.back());
    ++t.stats["dropped"];
  }
  return out;
}

}  // namespace mx_rmq::test

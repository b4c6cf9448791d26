#include "world.hpp"

#include "bench.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::test {
namespace {

const std::vector<std::string>& list_names() {
  static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
  return names;
}

bool is_settle(const std::string& script) {
  return script == "ack" || script == "retry" || script == "dead" || script == "release";
}

bool was_lost(const Value& value) {
  if (value.kind == Value::Kind::integer) return value.integer == -1;
  return value.elements.size() > 1 && value.elements[1].text == "lost";
}

}  // namespace

void World::Consumer::lost() {
  ++incarnation;
  held.clear();
  settling.clear();
  unanswered.clear();
  unknown = false;
  claim = 0;
}

World::World(std::uint64_t seed, Model& model)
    : rng_(seed),
      model_(model),
      now_us_(1'700'000'000'000'000 + static_cast<std::int64_t>(below(1'000'000))),
      unique_ids_(chance(50)),
      caps_(chance(30)),
      long_leases_(chance(30)),
      sparse_(seed % 6 == 5),
      configured_(seed % 4 == 1) {
  for (const char* name : {"a", "b.b"}) {
    Topic t{name, {}, {}};
    for (int i = 0; i < 3; ++i) {
      Consumer c;
      c.base = "c" + std::to_string(i);
      t.consumers.push_back(c);
    }
    for (int i = 0; i < 2; ++i) t.producers.push_back(Producer{"p" + std::to_string(i), 0, {}});
    topics_.push_back(t);
  }
}

// Now and then a moment at which something falls due, ends or runs out, or the millisecond before
// or after it.
void World::step_to_an_edge() {
  std::vector<std::pair<std::int64_t, std::string>> edges;  // when, and the script that looks at it
  const auto add = [&](std::int64_t when, const char* script) {
    if (when > now_ms() && when <= now_ms() + 500) edges.emplace_back(when, script);
  };
  topic_ = chance(75) ? 0 : 1;
  const TopicModel& t = data();
  for (const auto& [consumer, deadline] : t.consumers) add(deadline, "reap");
  for (const auto& [member, due] : t.delayed) add(due, "claim");
  for (const auto& [id, until] : t.ids) add(std::stoll(until), "produce");
  if (const auto pause = t.settings.find("paused_until"); pause != t.settings.end()) {
    add(std::stoll(pause->second), "claim");
  }
  for (const auto& [who, since] : t.idle) {
    if (since < 0) add(20 - since, "produce");
  }
  for (const auto& list : t.ready) {
    const auto e = list.empty() ? std::nullopt : EnvelopeText::parse(list.front());
    for (int times = 0; e && times < 3; ++times) add(e->expire, "sweep");
  }
  if (edges.empty()) return;
  const auto& [when, script] = edges[below(edges.size())];
  now_us_ = (when - 1 + static_cast<std::int64_t>(below(3))) * 1000 + 500;
  forced_ = script;
}

ScriptOp World::next() {
  now_us_ += static_cast<std::int64_t>(chance(50)   ? below(500)
                                       : chance(90) ? below(20'000)
                                                    : below(chance(20) ? 600'000 : 150'000));
  if (below(300) == 0) now_us_ += 60'000'000;
  if (chance(6)) step_to_an_edge();
  if (forced_.empty() && !late_.empty() && chance(8)) {
    const std::size_t i = below(late_.size());
    current_ = late_[i].call;
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
    fate_ = Fate::late_copy;
    return {current_, now_us_};
  }
  for (;;) {
    if (forced_.empty()) topic_ = chance(75) ? 0 : 1;
    consumer_ = below(topic().consumers.size());
    producer_ = below(topic().producers.size());
    current_ = draw();
    const bool whole = !is_script(current_.script);
    const std::uint64_t luck = whole ? 0 : below(100);
    if (luck < 82) {
      fate_ = Fate::answered;
      if (!whole && luck >= 79 && current_.script != "claim" && current_.script != "suspect") {
        late_.push_back({current_, consumer_, true});  // a second copy, from a connection that died
      }
      return {current_, now_us_};
    }
    unanswered(current_);
    if (luck < 88) continue;  // never executed
    if (luck < 94) {
      late_.push_back({current_, consumer_, false});
      continue;
    }
    fate_ = Fate::unanswered;
    return {current_, now_us_};
  }
}

void World::reply(const Value& value) {
  if (current_.script == "produce" && value[1].str() == "ok") {
    std::set<std::int64_t> duplicates;
    const std::size_t head = current_.named.empty() ? 3 : 5;
    for (std::size_t i = head; i < value.elements.size(); ++i) duplicates.insert(value[i].num());
    const auto lists = static_cast<std::size_t>(std::stoll(current_.argv[2]));
    std::size_t at = 5 + lists;
    for (std::size_t i = 0; i < lists; ++i) {
      for (std::int64_t n = std::stoll(current_.argv[5 + i]); n > 0; --n) {
        accepted_.insert(mark_of(current_.argv[at++]));
      }
    }
    for (std::int64_t k = 1; at + 4 < current_.argv.size(); at += 5, ++k) {
      if (!duplicates.contains(k)) accepted_.insert(mark_of(current_.argv[at + 4]));
    }
  }
  if (fate_ == Fate::answered) told(current_, value);
}

void World::unanswered(const Call& call) {
  if (call.script == "produce") {
    topic().producers[producer_].unanswered = {call};
  } else if (call.script == "claim" || call.script == "suspect") {
    consumer().unknown = true;
    consumer().reclaim_alarm = true;
  } else if (is_settle(call.script)) {
    auto& pending = consumer().unanswered;
    if (pending.empty() || show(ScriptOp{pending.back(), 0}) != show(ScriptOp{call, 0}))
      pending.push_back(call);
  } else if (call.script == "leave") {
    consumer().lost();
  }
}

void World::told(const Call& call, const Value& value) {
  Consumer& c = consumer();
  if (call.script == "produce") {
    topic().producers[producer_].unanswered.clear();
  } else if (call.script == "claim" || call.script == "suspect") {
    told_claim(call, value);
  } else if (is_settle(call.script)) {
    if (was_lost(value)) {
      c.lost();
      return;
    }
    settled(call, false);
  } else if (call.script == "tend") {
    if (was_lost(value)) {
      c.lost();
      return;
    }
    c.unknown = false;
    for (std::size_t i = 3; i < value.elements.size(); ++i) c.held.erase(value[i].str());
  } else if (call.script == "leave" && value.integer == 0) {
    c.lost();
  } else if (call.script == "unlist") {
    c.listed = false;
  }
}

void World::told_claim(const Call& call, const Value& value) {
  Consumer& c = consumer();
  if (was_lost(value)) {
    c.lost();
    return;
  }
  const bool claim = call.script == "claim";
  if (claim) {
    c.alarm = value[2].num() < 0 ? 0 : value[2].num();
    c.listed = value[6].num() == 1;
    c.reclaim_alarm = false;
  }
  const std::string& number = call.argv[claim ? 4 : 2];
  std::size_t first = claim ? 7 : 3;  // of the envelopes, unless the version is there
  if (first < value.elements.size() && value[first].kind == Value::Kind::integer) ++first;
  for (std::size_t i = first, k = 1; i < value.elements.size(); ++i, ++k) {
    c.held[number + "." + std::to_string(k)] = value[i].str();
  }
}

void World::settled(const Call& call, bool) {
  Consumer& c = consumer();
  for (const std::string& each : call.argv) c.settling.erase(each);
  std::erase_if(c.unanswered, [&](const Call& each) {
    return show(ScriptOp{each, 0}) == show(ScriptOp{call, 0});
  });
}

Call World::draw() {
  const std::string forced = std::exchange(forced_, "");
  if (forced == "reap") return chance(50) ? reap() : claim();
  if (forced == "claim") return claim();
  if (forced == "produce") return produce();
  if (forced == "sweep") return sweep();
  const std::size_t load = data().size();
  if (configured_ && chance(7)) return settings();
  if (configured_ && is_paused() && !data().ready[3].empty() && chance(20)) return suspect();
  if (chance(2)) return look_at_messages();
  if (chance(4)) return change_messages();
  const std::uint64_t luck = below(100);
  if (sparse_) {
    const bool emptied = std::ranges::any_of(
        data().ready, [](const auto& list) { return !list.empty() && list.front().empty(); });
    if (data().consumers.empty() && !data().ready[3].empty() && chance(70)) return only_suspects();
    if (chance(emptied ? 40 : 10)) return forget();
    if (chance(15)) return cancel_waiting();
  }
  if (sparse_ && load > 1 && luck < 22) return chance(50) ? claim() : settle();
  if (luck < (load < 25 ? 22U : load < 60 ? 8U : 1U)) return produce();
  if (luck < 42) return claim();
  if (luck < 47) return suspect();
  if (luck < 66) return settle();
  if (luck < 74) return tend();
  if (luck < 78) return reap();
  if (luck < 81) return sweep();
  if (luck < 82) return leave();
  if (luck < 83) return chance(50) ? unlist() : pass();
  if (luck < 88) return cancel();
  if (luck < 94) return dead_letters();
  return look();
}

std::string World::some_id(bool& chosen) {
  const std::string serial = std::to_string(serial_);
  if (unique_ids_) {
    chosen = chance(30);
    if (!chosen) return "g" + serial;
    switch (below(4)) {
      case 0:
        return "u" + serial;
      case 1:
        return std::string("\0\n~", 3) + serial;
      case 2:
        return serial + std::string(256 - serial.size(), 'x');
      default:
        return "mx1 h 0 0\n" + serial + "\xff";
    }
  }
  chosen = chance(50);
  if (chance(50)) return "g" + serial;
  return "k" + std::to_string(below(3)) + (chance(30) ? "~" + std::to_string(below(4)) : "");
}

std::string World::envelope(const std::string& id, std::int64_t due, bool chosen) {
  EnvelopeText e;
  e.priority = "hnl"[below(3)];
  e.limit = static_cast<std::int64_t>(chance(20) ? 0 : below(5));
  e.created = now_ms();
  e.ttl = static_cast<std::int64_t>(chance(80) ? 1'000'000 : 1 + below(300));
  e.expire = due + e.ttl;
  e.until = chosen ? e.expire + static_cast<std::int64_t>(below(200)) : 0;
  e.id = id;
  e.rare = chance(30) ? "{\"k\":\"v\"}" : "";
  e.payload = "{\"n\":" + std::string(below(60), '1') + "}#" + std::to_string(serial_) + "#" +
              (chance(10) ? std::string("\0\n\xfe", 3) : "");
  return e.text();
}

Call World::produce() {
  Producer& p = topic().producers[producer_];
  if (!p.unanswered.empty() && chance(70)) return p.unanswered.front();
  p.unanswered.clear();
  Call call{"produce", topic().name, p.name, {std::to_string(++p.number), "60000000"}, {}, {}};
  std::vector<std::vector<std::string>> plain;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!chance(50)) continue;
    call.lists.push_back(list_names()[i]);
    plain.emplace_back();
    for (std::uint64_t n = below(4); n > 0; --n) {
      ++serial_;
      const std::string mark = "#" + std::to_string(serial_) + "#";
      if (chance(4)) {
        const std::vector<std::string> junk{"junk" + mark,
                                            "mx1 h 0 0 3 1 1 9999999999999 0 99\nabc" + mark,
                                            "mx1 n 0 0 3 1 1 9999999999999 0 2\nab\nno rare" + mark,
                                            "mx2 h 0 0 3 1 1 9999999999999 0 1\na\n\n" + mark,
                                            "mx1 l 0 7 " + mark,
                                            "mx1 h 0 0 3 1 1 9999999999999999 0 1\na\n\n" + mark,
                                            std::string("\0", 1) + mark};
        plain.back().push_back(junk[below(junk.size())]);
      } else {
        plain.back().push_back(envelope("g" + std::to_string(serial_), now_ms(), false));
      }
    }
  }
  call.argv.push_back(std::to_string(call.lists.size()));
  std::vector<std::string> others;
  bool delayed = false;
  bool ids = false;
  for (std::uint64_t n = below(4); n > 0; --n) {
    ++serial_;
    bool chosen = false;
    const std::string id = some_id(chosen);
    const bool later = call.lists.empty() || chance(50);
    if (!later && !chosen) continue;
    const std::int64_t due =
        now_ms() + (later ? static_cast<std::int64_t>(below(chance(70) ? 30 : 400)) : 0);
    delayed = delayed || later;
    ids = ids || chosen;
    const std::string e = envelope(id, due, chosen);
    const auto parsed = EnvelopeText::parse(e);
    others.insert(others.end(), {later ? "0" : std::to_string(1 + below(call.lists.size())),
                                 std::to_string(due), id, std::to_string(parsed->until), e});
  }
  call.argv.push_back(delayed ? "1" : "0");
  call.argv.push_back(ids ? "1" : "0");
  for (const auto& each : plain) call.argv.push_back(std::to_string(each.size()));
  for (const auto& each : plain) call.argv.insert(call.argv.end(), each.begin(), each.end());
  call.argv.insert(call.argv.end(), others.begin(), others.end());
  if (chance(configured_ ? 40 : 3)) {
    call.named = {"settings"};
    const bool any = chance(50);
    call.argv.push_back(any ? "-1" : some_version());
    if (!any && chance(40)) {
      call.argv.back() += " " + std::to_string(now_ms() + static_cast<std::int64_t>(below(300)));
    }
  }
  return call;
}

}  // namespace mx_rmq::test

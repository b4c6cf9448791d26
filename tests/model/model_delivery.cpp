// produce, claim, suspects, tend, reap, leave.
#include <algorithm>
#include <sstream>
#include <tuple>

#include "model.hpp"

namespace mx_rmq::test {
namespace {

// '<claim>.<index>', newest first; what is no tag is the oldest.
struct Tag {
  std::int64_t claim = 0;
  std::int64_t index = 0;
  std::string text;

  explicit Tag(std::string tag) : text(std::move(tag)) {
    const auto dot = text.find('.');
    const auto digits = [](const std::string& s) {
      return !s.empty() &&
             std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    if (dot == std::string::npos || !digits(text.substr(0, dot)) || !digits(text.substr(dot + 1)))
      return;
    claim = std::stoll(text.substr(0, dot));
    index = std::stoll(text.substr(dot + 1));
  }
  bool operator<(const Tag& other) const {
    return std::tie(other.claim, other.index, other.text) < std::tie(claim, index, text);
  }
};

std::size_t list_number(const std::string& name) {
  return name == "high" ? 0 : name == "normal" ? 1 : 2;
}

}  // namespace

Value ModelCall::produce() {
  std::string& last = t.producers[call.who];
  const bool looks = !call.named.empty();
  Value out = array({number(now), text("ok"), number(0)});
  if (looks) {
    out.elements.push_back(text("settings"));
    out.elements.push_back(number(settings_version()));
  }
  const std::size_t head = out.elements.size();
  if (!last.empty() && std::stoll(last) >= num(1)) {
    wake_again();
    Value again = out;
    again.elements[1] = text("again");
    std::istringstream words(last);
    std::int64_t each = 0;
    words >> each;
    if (each != num(1)) return again;
    while (words >> each) again.elements.push_back(number(each));
    return again;
  }
  if (last.empty()) t.producers.erase(call.who);
  const std::int64_t must = looks ? std::stoll(call.argv.back()) : -1;
  if (must >= 0 && must != settings_version()) {
    out.elements[1] = text("stale");
    return out;
  }
  if (looks) {
    const std::string& look = call.argv.back();
    const auto space = look.find(' ');
    const std::int64_t until = space == std::string::npos ? 0 : std::stoll(look.substr(space));
    const auto noted = t.settings.find("ids_until");
    const std::int64_t before = noted == t.settings.end() ? 0 : std::stoll(noted->second);
    if (until > before) t.settings["ids_until"] = std::to_string(until);
  }
  const auto lists = static_cast<std::size_t>(num(3));
  std::size_t at = 6 + lists;
  std::int64_t added = 0;
  std::int64_t duplicates = 0;
  bool first = false;
  std::set<std::string> mine;
  for (std::size_t i = 0; i < lists; ++i) {
    auto& list = t.ready[list_number(call.lists.at(i))];
    for (std::int64_t n = num(6 + i); n > 0; --n, ++added) {
      first = first || list.empty();
      list.push_back(arg(at++));
    }
  }
  for (std::int64_t k = 1; has(at + 4); at += 5, ++k) {
    const std::string& id = arg(at + 2);
    const std::string& until = arg(at + 3);
    const auto entry = t.ids.find(id);
    if (until != "0" && entry != t.ids.end() &&
        (entry->second == "0" || std::stoll(entry->second) > now)) {
      ++duplicates;
      out.elements.push_back(number(k));
      continue;
    }
    if (num(at) == 0) {
      mine.insert(put(t.delayed, t.delayed_data, id, num(at + 1), arg(at + 4)));
    } else {
      auto& list = t.ready[list_number(call.lists.at(static_cast<std::size_t>(num(at)) - 1))];
      first = first || list.empty();
      list.push_back(arg(at + 4));
    }
    if (until != "0") t.ids[id] = until;
    ++added;
  }
  if (!mine.empty() && mine.contains(in_order(t.delayed).front().second)) first = true;
  if (first) {
    wake(1, 0);
  } else if (added > 0) {
    wake_again();
  }
  if (added > 0) t.stats["produced"] += added;
  if (duplicates > 0) t.stats["duplicates"] += duplicates;
  if (added + duplicates > 0) {
    std::string& applied = t.producers[call.who];
    applied = arg(1);
    for (std::size_t i = head; i < out.elements.size(); ++i)
      applied += " " + std::to_string(out[i].num());
  }
  return out;
}

Value ModelCall::claim() {
  const std::string& me = arg(2);
  const std::int64_t want = num(1);
  const std::int64_t budget = num(7);
  if (!alive(me) && (t.consumers.contains(me) || arg(6) == "0"))
    return array({number(now), text("lost")});
  const std::string lapsed = lapsed_but(me);
  const bool paused = paused_until() > now;
  // Promotion, in slices that double until the budget is used.
  std::vector<std::string> due;
  for (const auto& [when, member] : in_order(t.delayed)) {
    if (paused || when > now || static_cast<std::int64_t>(due.size()) == num(4)) break;
    due.push_back(member);
  }
  std::int64_t bytes = 0;
  std::size_t moved = 0;
  for (std::size_t slice = static_cast<std::size_t>(std::max<std::int64_t>(1, num(8)));
       moved < due.size() && (moved == 0 || bytes < budget); slice *= 2) {
    for (std::size_t k = 0; k < std::min<std::size_t>(slice, 1000) && moved < due.size();
         ++k, ++moved) {
      const std::string e = t.delayed_data.at(due[moved]);
      bytes += static_cast<std::int64_t>(e.size());
      home(e).push_back(e);
      t.delayed.erase(due[moved]);
      t.delayed_data.erase(due[moved]);
    }
  }
  // Claiming.
  std::vector<std::string> taken;
  std::int64_t used = 0;
  for (std::size_t i = 0; i < 3 && !paused; ++i) {
    auto& list = t.ready[i];
    bool stopped = false;
    while (!list.empty() && static_cast<std::int64_t>(taken.size()) < want) {
      const auto size = static_cast<std::int64_t>(list.front().size());
      if (size > 0 && !taken.empty() && used + size > budget) {
        stopped = true;
        break;
      }
      if (size > 0) {
        taken.push_back(list.front());
        used += size;
      }
      list.pop_front();
    }
    if (stopped) break;
  }
  if (!taken.empty()) {
    t.consumers[me] = after(num(3));
    for (std::size_t i = 0; i < taken.size(); ++i) {
      t.processing[me][arg(5) + "." + std::to_string(i + 1)] = taken[i];
    }
  }
  const bool left = !paused && (!t.ready[0].empty() || !t.ready[1].empty() || !t.ready[2].empty());
  std::int64_t next = t.delayed.empty() ? -1 : in_order(t.delayed).front().first;
  if (paused) next = paused_until() == 999'999'999'999'999 ? -1 : paused_until();
  const bool list = has(10) && arg(10) == "1";
  const std::string mine_name = alias_of(me);
  bool listed = false;
  if (left || (next >= 0 && next <= now)) {
    wake(1, 0, mine_name);
    if (has(11) && arg(11) == "1") t.idle.erase(mine_name);
  } else if (list) {
    const auto since = t.idle.find(mine_name);
    if (since == t.idle.end() || since->second < 0) t.idle[mine_name] = now;
    listed = true;
  } else if (has(11) && arg(11) == "1") {
    t.idle.erase(mine_name);
  }
  // The alarm: who is told of a due time keeps a timer for it.
  std::int64_t alarm = -1;
  const auto kept = t.stats.find("alarm");
  const bool none = kept == t.stats.end();
  const bool mine = !none && (arg(9) == "-1" || kept->second == num(9));
  if (next >= 0 && (none || kept->second <= now || kept->second > next || mine || arg(9) == "-1")) {
    alarm = next;
    t.stats["alarm"] = next;
  } else if (next < 0 && mine && kept->second > now) {
    t.stats.erase("alarm");
  }
  Value out = array({number(now), text("ok"), number(alarm), text(lapsed),
                     number(t.ready[3].empty() || paused ? 0 : 1), number(left ? 1 : 0),
                     number(listed ? 1 : 0)});
  if (t.settings.contains("version")) out.elements.push_back(number(settings_version()));
  for (const std::string& each : taken) out.elements.push_back(text(each));
  return out;
}

Value ModelCall::suspect() {
  const std::string& me = arg(1);
  if (!alive(me) && (t.consumers.contains(me) || arg(4) == "0"))
    return array({number(now), text("lost")});
  Value out = array({number(now), text("ok"), number(0)});
  if (t.settings.contains("version")) out.elements.push_back(number(settings_version()));
  if (paused_until() > now) return out;
  auto& list = t.ready[3];
  for (int looked = 0; looked < 1000 && !list.empty() && list.front().empty(); ++looked)
    list.pop_front();
  if (!list.empty() && !list.front().empty()) {
    t.consumers[me] = after(num(2));
    t.processing[me][arg(3) + ".1"] = list.front();
    out.elements.push_back(text(list.front()));
    list.pop_front();
  }
  out.elements[2] = number(list.empty() ? 0 : 1);
  return out;
}

Value ModelCall::tend() {
  const std::string& me = arg(1);
  if (!alive(me)) return array({number(now), text("lost")});
  t.consumers[me] = after(num(2));
  auto& held = t.processing[me];
  const std::set<std::string> named(call.argv.begin() + 5, call.argv.end());
  Value out = array({number(now), text("ok"), number(0)});
  for (std::size_t at = 6; has(at); ++at) {
    if (!held.contains(arg(at))) out.elements.push_back(text(arg(at)));
  }
  std::vector<Tag> strays;
  for (const auto& [tag, e] : held) {
    if (!named.contains(tag) && Tag(tag).claim <= num(3)) strays.emplace_back(tag);
  }
  std::sort(strays.begin(), strays.end());
  std::int64_t bytes = 0;
  std::int64_t back = 0;
  for (const Tag& each : strays) {
    if (back >= num(4) || (back > 0 && bytes > num(5))) {
      out.elements[2] = number(1);
      break;
    }
    const std::string e = held.at(each.text);
    bytes += static_cast<std::int64_t>(e.size());
    home(e).push_front(e);
    held.erase(each.text);
    ++back;
  }
  if (back > 0) wake(1, 0);
  if (held.empty()) t.processing.erase(me);
  return out;
}

Value ModelCall::reap() {
  const std::string& who = arg(1);
  const auto entry = t.consumers.find(who);
  if (entry == t.consumers.end()) return array({number(now), text("gone")});
  if (entry->second > now) {
    entry->second = std::min(entry->second, after(num(4)));
    return array({number(now), text("alive")});
  }
  entry->second = 0;
  auto& held = t.processing[who];
  std::vector<Tag> tags;
  for (const auto& [tag, e] : held) tags.emplace_back(tag);
  std::sort(tags.begin(), tags.end());
  std::int64_t bytes = 0;
  std::int64_t back = 0;
  std::int64_t dead = 0;
  for (const Tag& each : tags) {
    if (back + dead >= num(2) || (back + dead > 0 && bytes > num(3))) break;
    const std::string stored = held.at(each.text);
    bytes += static_cast<std::int64_t>(stored.size());
    auto e = EnvelopeText::parse(stored);
    if (!e) {
      bury("!" + who + "." + each.text, "decode\t", stored);
      ++dead;
    } else if (e->recoveries + 1 > e->limit) {
      bury(e->id, "poison\t", stored);
      ++dead;
    } else {
      ++e->recoveries;
      home(e->text()).push_front(e->text());
      ++t.stats["recovered"];
      ++back;
    }
    held.erase(each.text);
  }
  if (back > 0) wake(1, 0);
  const auto left = static_cast<std::int64_t>(held.size());
  if (left == 0) {
    t.processing.erase(who);
    t.consumers.erase(who);
  }
  const std::vector<std::string> dropped = cap(num(5), dead);
  Value out = array({number(now), text("ok"), number(left), number(back), number(dead)});
  for (const std::string& each : dropped) out.elements.push_back(text(each));
  return out;
}

// It is not idle, and there is work: it may have been woken, so somebody else is.
Value ModelCall::unlist() {
  const std::string me = alias_of(arg(1));
  const auto since = t.idle.find(me);
  const bool there = since != t.idle.end();
  const bool idle = there && since->second > 0;
  if (there) t.idle.erase(since);
  if (!idle && takeable()) wake(1, 0, me);
  return number(there ? 1 : 0);
}

Value ModelCall::leave() {
  const std::string& me = arg(1);
  const auto since = t.idle.find(alias_of(me));
  bool handed = (since == t.idle.end() || since->second < 0) && takeable();
  if (since != t.idle.end()) t.idle.erase(since);
  const auto alarm = t.stats.find("alarm");
  const bool unknown = arg(2) == "-1";  // whether this consumer keeps it
  if (alarm != t.stats.end() && (unknown || std::to_string(alarm->second) == arg(2))) {
    t.stats.erase(alarm);
    handed = true;
  }
  if (handed) wake(1, 0, alias_of(me));
  const auto held = t.processing.find(me);
  if (held != t.processing.end()) return number(static_cast<std::int64_t>(held->second.size()));
  if (alive(me)) t.consumers.erase(me);
  return number(0);
}

Value ModelCall::pass() {
  const std::size_t before = t.heard.size();
  const std::int64_t hops = num(2);
  wake(hops >= 5 ? 32 : std::int64_t{1} << hops, hops, alias_of(arg(1)));
  return number(static_cast<std::int64_t>(t.heard.size() - before));
}

}  // namespace mx_rmq::test

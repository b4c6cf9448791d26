// sweep, cancel, dead letters, stats, audit.
#include <algorithm>

#include "model.hpp"

namespace mx_rmq::test {
namespace {

std::int64_t size_of(const std::string& s) { return static_cast<std::int64_t>(s.size()); }

std::string inner(const std::string& dead_letter) {
  return dead_letter.substr(dead_letter.find('\n') + 1);
}

// When the first that was not cancelled was first due; of those that were it looks at 32.
std::int64_t first_due(const std::deque<std::string>& list) {
  for (std::size_t i = 0; i < std::min<std::size_t>(32, list.size()); ++i) {
    if (list[i].empty()) continue;
    const auto e = EnvelopeText::parse(list[i]);
    return e ? std::max<std::int64_t>(0, e->expire - e->ttl) : -1;
  }
  return -1;
}

constexpr std::int64_t longest_number = 999'999'999'999'999;  // 15 digits

}  // namespace

// Of those that were listed: 16 that nobody listens to, at a place that moves from sweep to sweep,
// and 16 that were told 60 s ago.
void ModelCall::forget_the_gone(const std::vector<std::pair<std::int64_t, std::string>>& listed) {
  if (listed.empty()) return;
  const auto from = static_cast<std::size_t>(16 * num(2)) % listed.size();
  for (std::size_t i = from; i < std::min(from + 16, listed.size()); ++i)
    if (!t.listeners.contains(listed[i].second)) t.idle.erase(listed[i].second);
  int most = 16;
  for (const auto& [since, who] : listed) {
    if (since >= 60'000 - now && since < 0 && most-- > 0) t.idle.erase(who);
  }
}

Value ModelCall::sweep() {
  const std::int64_t longest = after(num(6));
  std::int64_t furthest = 0;
  std::string whose;
  for (const auto& [deadline, consumer] : in_order(t.consumers)) {
    furthest = deadline;
    whose = consumer;
  }
  if (furthest > longest) t.consumers[whose] = longest;
  const std::string lapsed = lapsed_but(arg(1));
  std::int64_t taken = 0, bytes = 0, buried = 0, lost = 0, unreadable = 0;
  bool full = false;
  bool suspects = false;
  std::vector<EnvelopeText> dropped_ids;
  for (std::size_t i = 0; i < 4; ++i) {
    auto& list = t.ready[i];
    while (!list.empty()) {
      const std::string e = list.front();
      const auto head = EnvelopeText::parse(e);
      if (head && head->expire > now) {
        if (i == 3 && paused_until() <= now) suspects = true;
        break;
      }
      if (taken >= num(3) || (taken > 0 && bytes > num(4))) {
        full = true;
        break;
      }
      if (head && arg(5) == "drop") {
        dropped_ids.push_back(*head);
        t.ended.push_back(e);
        ++lost;
      } else if (head) {
        bury(head->id, "expired\t", e);
        ++buried;
      } else if (!e.empty()) {
        ++unreadable;
        bury("!" + arg(1) + ".s" + arg(2) + "." + std::to_string(unreadable), "decode\t", e);
      }
      bytes += size_of(e);
      ++taken;
      list.pop_front();
    }
  }
  for (const EnvelopeText& each : dropped_ids) free_own(each, std::to_string(each.until));
  if (buried + lost > 0) t.stats["expired"] += buried + lost;
  if (lost > 0) t.stats["discarded"] += lost;
  const std::vector<std::string> dropped = cap(num(7), buried + unreadable);
  const bool waits = takeable() && paused_until() <= now;
  const bool known = t.idle.contains(alias_of(arg(1)));
  const auto listed = in_order(t.idle);
  if (waits && !quiet()) wake(1, 0, alias_of(arg(1)));
  forget_the_gone(listed);
  Value out = array({number(now), text("ok"), number(taken), number(full ? 1 : 0), text(lapsed),
                     number(suspects ? 1 : 0), number(waits ? 1 : 0), number(known ? 1 : 0)});
  if (t.settings.contains("version")) out.elements.push_back(number(settings_version()));
  for (const std::string& each : dropped) out.elements.push_back(text(each));
  return out;
}

Value ModelCall::cancel() {
  const auto found = t.delayed_data.find(arg(1));
  if (found == t.delayed_data.end()) return number(0);
  const auto e = EnvelopeText::parse(found->second);
  if (e && e->id != arg(1)) return number(0);
  if (e) free_own(*e, std::to_string(e->until));
  ++t.stats["cancelled"];
  t.ended.push_back(found->second);
  t.delayed_data.erase(found);
  t.delayed.erase(arg(1));
  return number(1);
}

Value ModelCall::cancel_page() {
  auto& list = t.ready[call.lists.at(0) == "high"     ? 0
                       : call.lists.at(0) == "normal" ? 1
                       : call.lists.at(0) == "low"    ? 2
                                                      : 3];
  const std::int64_t most = num(3);
  std::int64_t left = num(4);
  std::int64_t seen = 0;
  // From the tail, in slices of 16, 32, ...: the bytes are counted a slice.
  for (std::int64_t slice = 16; seen < most && (seen == 0 || left >= 0); slice *= 2) {
    const std::int64_t ask = std::min(slice, most - seen);
    std::int64_t k = 0;
    for (; k < ask; ++k) {
      const std::int64_t at = static_cast<std::int64_t>(list.size()) - 1 - num(2) - seen - k;
      if (at < 0) break;
      std::string& element = list[static_cast<std::size_t>(at)];
      const auto e = EnvelopeText::parse(element);
      if (e && e->id == arg(1)) {
        free_own(*e, std::to_string(e->until));
        ++t.stats["cancelled"];
        t.ended.push_back(element);
        element.clear();
        return array({number(1), number(seen + k + 1), number(0)});
      }
      left -= size_of(element);
    }
    seen += k;
    if (k < ask) return array({number(0), number(seen), number(1)});
  }
  return array({number(0), number(seen), number(0)});
}

Value ModelCall::dlq_list() {
  auto rows = in_order(t.dead);
  std::reverse(rows.begin(), rows.end());
  std::int64_t left = num(3);
  Value out = array({number(0)});
  for (std::int64_t i = num(1); i < num(1) + num(2) && i < static_cast<std::int64_t>(rows.size());
       ++i) {
    if (left < 0) break;
    const auto& [dead_at, member] = rows[static_cast<std::size_t>(i)];
    const std::string& value = t.dead_data.at(member);
    ++out.elements[0].integer;
    out.elements.insert(out.elements.end(),
                        {text(member), text(std::to_string(dead_at)), text(value)});
    left -= size_of(value);
  }
  return out;
}

Value ModelCall::dlq_get() {
  const auto found = t.dead.find(arg(1));
  if (found == t.dead.end()) return array();
  return array({text(std::to_string(found->second)), text(t.dead_data.at(arg(1)))});
}

std::pair<bool, bool> ModelCall::revive(const std::string& member) {
  auto e = EnvelopeText::parse(inner(t.dead_data.at(member)));
  if (!e) return {false, false};
  const std::int64_t grace = std::max<std::int64_t>(0, e->until - e->expire);
  e->attempts = 0;
  e->recoveries = 0;
  e->expire = std::min(after(e->ttl), longest_number);
  e->rare = e->rare.substr(0, e->rare.find('\t')) +
            "\t[null,[],{\"requeued\":" + std::to_string(now) + "}]";
  if (e->until != 0) {
    const auto entry = t.ids.find(e->id);
    const bool used =
        entry != t.ids.end() && entry->second != "0" && std::stoll(entry->second) > now;
    e->until = used ? 0 : std::min(e->expire + grace, longest_number);
    if (!used) t.ids[e->id] = std::to_string(e->until);
  }
  auto& list = t.ready[e->priority == 'h' ? 0 : e->priority == 'n' ? 1 : 2];
  const bool first = list.empty();
  list.push_back(e->text());
  ++t.stats["requeued"];
  t.dead.erase(member);
  t.dead_data.erase(member);
  return {true, first};
}

Value ModelCall::requeue() {
  if (!t.dead.contains(arg(1))) return array({number(now), text("none")});
  const auto [done, first] = revive(arg(1));
  if (!done) return array({number(now), text("unreadable")});
  if (first) {
    wake(1, 0);
  } else {
    wake_again();
  }
  return array({number(now), text("ok")});
}

Value ModelCall::requeue_all() {
  const std::int64_t by = num(1) == 0 ? now : num(1);
  std::int64_t pass = num(2), left = num(4), done = 0, passed = 0, looked = 0;
  bool some = false;
  bool more = false;
  for (const auto& [dead_at, member] : in_order(t.dead)) {
    if (dead_at > by || looked == num(3)) break;
    if (pass-- > 0) continue;
    more = left < 0;
    if (more) break;
    ++looked;
    left -= size_of(t.dead_data.at(member));
    const auto [revived, first] = revive(member);
    ++(revived ? done : passed);
    some = some || first;
  }
  if (some) {
    wake(1, 0);
  } else if (done > 0) {
    wake_again();
  }
  more = more || (looked > 0 && looked == num(3));
  return array({number(now), number(done), number(passed), number(more ? 1 : 0)});
}

Value ModelCall::dlq_remove() {
  std::int64_t n = 0;
  for (const std::string& member : call.argv) {
    if (!t.dead.contains(member)) continue;
    remove_dead(member);
    ++t.stats["removed"];
    ++n;
  }
  return number(n);
}

Value ModelCall::dlq_purge() {
  const std::int64_t by = num(1) == 0 ? now : num(1);
  std::int64_t left = num(3), n = 0;
  bool more = false;
  for (const auto& [dead_at, member] : in_order(t.dead)) {
    if (dead_at > by) break;
    if (n == num(2) || left < 0) {
      more = n > 0;
      break;
    }
    left -= size_of(t.dead_data.at(member));
    remove_dead(member);
    ++t.stats["removed"];
    ++n;
  }
  return array({number(now), number(n), number(more || (n > 0 && n == num(2)) ? 1 : 0)});
}

Value ModelCall::stats() {
  Value out = array({number(now)});
  for (const auto& list : t.ready)
    out.elements.push_back(number(static_cast<std::int64_t>(list.size())));
  const auto consumers = in_order(t.consumers);
  std::int64_t lapsed = 0;
  for (const auto& [deadline, consumer] : consumers) lapsed += deadline <= now ? 1 : 0;
  for (const std::size_t n : {t.delayed.size(), t.dead.size(), consumers.size()}) {
    out.elements.push_back(number(static_cast<std::int64_t>(n)));
  }
  out.elements.push_back(number(lapsed));
  for (const auto& list : t.ready) out.elements.push_back(number(first_due(list)));
  out.elements.push_back(number(t.delayed.empty() ? -1 : in_order(t.delayed).front().first));
  out.elements.push_back(number(static_cast<std::int64_t>(t.stats.size())));
  for (const auto& [field, value] : t.stats) {
    out.elements.push_back(text(field));
    out.elements.push_back(text(std::to_string(value)));
  }
  std::int64_t most = num(1);
  for (const auto& [deadline, consumer] : consumers) {
    if (most-- <= 0) break;
    out.elements.push_back(text(consumer));
    out.elements.push_back(text(std::to_string(deadline)));
  }
  return out;
}

// One entry a minute, one in ten of them, but none that tells nothing new.
Value ModelCall::snapshot() {
  std::string figures;
  for (const char* counter :
       {"produced", "duplicates", "completed", "retried", "dead", "dropped", "expired", "cancelled",
        "lease_lost", "recovered", "requeued", "removed", "discarded"}) {
    const auto found = t.stats.find(counter);
    figures += ' ' + std::to_string(found == t.stats.end() ? 0 : found->second);
  }
  std::size_t waiting = 0;
  std::int64_t oldest = 0;
  for (const auto& list : t.ready) {
    waiting += list.size();
    if (const std::int64_t due = first_due(list); due >= 0) oldest = std::max(oldest, now - due);
  }
  if (!t.delayed.empty()) oldest = std::max(oldest, now - in_order(t.delayed).front().first);
  for (const std::size_t n : {waiting, t.delayed.size(), t.dead.size(), t.consumers.size()})
    figures += ' ' + std::to_string(n);
  figures += ' ' + std::to_string(oldest);
  std::int64_t written = 0;
  const auto note = [&](std::deque<std::string>& list, std::int64_t ms, std::int64_t most) {
    const std::int64_t step = now / ms * ms;
    if (!list.empty()) {
      const std::size_t blank = list.back().find(' ');
      if (std::stoll(list.back()) >= step || list.back().substr(blank) == figures) return;
    }
    list.push_back(std::to_string(step) + figures);
    while (static_cast<std::int64_t>(list.size()) > most) list.pop_front();
    ++written;
  };
  note(t.history_1m, 60'000, num(1));
  note(t.history_10m, 600'000, num(2));
  return array({number(now), number(written)});
}

Value ModelCall::forget() {
  const Value used = array({number(now), text("used")});
  for (const auto& list : t.ready) {
    std::int64_t seen = 0;
    for (const std::string& each : list) {
      if (!each.empty() || seen == num(1)) return used;
      ++seen;
    }
  }
  if (!t.delayed.empty() || !t.dead.empty()) return used;
  if (!t.consumers.empty()) {
    const auto [ends, consumer] = in_order(t.consumers).front();
    if (ends > now) return used;
    return array({number(now), text("lapsed"), text(consumer)});
  }
  for (auto& list : t.ready) list.clear();
  t.delayed_data.clear();
  t.dead_data.clear();
  t.ids.clear();
  t.stats.clear();
  t.history_1m.clear();
  t.history_10m.clear();
  wake(32, 0);  // so that the living are listed again
  t.idle.clear();
  return array({number(now), text("gone")});
}

Value ModelCall::audit() {
  const std::set<std::string> named(call.named.begin(), call.named.end());
  for (const auto& [consumer, deadline] : t.consumers) {
    if (!named.contains(consumer)) return array({text("changed")});
  }
  std::int64_t ready = 0, processing = 0, holes = 0, unreadable = 0, twice = 0, unowned = 0,
               free_ids = 0;
  std::set<std::string> seen;
  const auto look = [&](const std::string& envelope, bool dead) {
    const auto e = EnvelopeText::parse(envelope);
    if (!e) {
      ++unreadable;
      return;
    }
    if (!seen.insert(e->id).second) ++twice;
    if (e->until == 0) return;
    const auto entry = t.ids.find(e->id);
    if (entry == t.ids.end() || entry->second != (dead ? "0" : std::to_string(e->until)))
      ++free_ids;
  };
  std::int64_t total = static_cast<std::int64_t>(t.delayed.size() + t.dead.size());
  for (const auto& list : t.ready) {
    total += static_cast<std::int64_t>(list.size());
    for (const std::string& e : list) {
      ++(e.empty() ? holes : ready);
      if (!e.empty()) look(e, false);
    }
  }
  for (const auto& [member, e] : t.delayed_data) look(e, false);
  for (const auto& [member, value] : t.dead_data) look(inner(value), true);
  for (const std::string& consumer : named) {
    const auto held = t.processing.find(consumer);
    if (held == t.processing.end()) continue;
    for (const auto& [tag, e] : held->second) {
      ++processing;
      ++total;
      if (!t.consumers.contains(consumer)) ++unowned;
      look(e, false);
    }
  }
  if (total > num(1)) return array({text("large"), text("messages"), number(total)});
  const auto count = [this](const char* name) {
    return t.stats.contains(name) ? t.stats.at(name) : 0;
  };
  const auto delayed = static_cast<std::int64_t>(t.delayed.size());
  const auto dead = static_cast<std::int64_t>(t.dead.size());
  const std::int64_t books = count("produced") + count("requeued") - count("completed") -
                             count("cancelled") - count("discarded") - count("dead") - ready -
                             delayed - processing;
  const std::int64_t dead_books =
      count("dead") - count("requeued") - count("removed") - count("dropped") - dead;
  Value out = array({text("ok")});
  const std::pair<const char*, std::int64_t> rows[] = {
      {"ready", ready},           {"delayed", delayed},
      {"processing", processing}, {"dead", dead},
      {"holes", holes},           {"unreadable", unreadable},
      {"twice", twice},           {"stray_data", 0},
      {"stray_index", 0},         {"unowned", unowned},
      {"free_ids", free_ids},     {"books", books},
      {"dead_books", dead_books}};
  for (const auto& [name, value] : rows) {
    out.elements.push_back(text(name));
    out.elements.push_back(number(value));
  }
  return out;
}

}  // namespace mx_rmq::test

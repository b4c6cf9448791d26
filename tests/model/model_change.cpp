// Changing messages that no consumer holds.
#include <algorithm>

#include "model.hpp"

namespace mx_rmq::test {
namespace {

std::int64_t size_of(const std::string& s) { return static_cast<std::int64_t>(s.size()); }

constexpr std::int64_t longest = 999'999'999'999'999;  // 15 digits

}  // namespace

// Due at that time, and its id in use as much longer as it lives, if it is its own.
void ModelCall::redate(EnvelopeText& e, std::int64_t due) {
  const std::int64_t grace = std::max<std::int64_t>(e.until - e.expire, 0);
  e.expire = std::min(due + e.ttl, longest);
  const auto entry = t.ids.find(e.id);
  if (e.until == 0 || entry == t.ids.end() || entry->second != std::to_string(e.until)) return;
  e.until = std::min(e.expire + grace, longest);
  entry->second = std::to_string(e.until);
}

std::deque<std::string>& ModelCall::named_list(std::size_t i) {
  const std::string& name = call.lists.at(i);
  return t.ready[name == "high" ? 0 : name == "normal" ? 1 : name == "low" ? 2 : 3];
}

Value ModelCall::promote() {
  Value out = array({number(now)});
  bool done = false;
  bool first = false;
  for (const std::string& id : call.argv) {
    const auto found = t.delayed_data.find(id);
    const auto e =
        found == t.delayed_data.end() ? std::nullopt : EnvelopeText::parse(found->second);
    const bool is = found != t.delayed_data.end() && (!e || e->id == id);
    out.elements.push_back(number(is ? 1 : 0));
    if (!is) continue;
    auto& list = home(found->second);
    first = first || list.empty();
    done = true;
    list.push_back(found->second);
    t.delayed_data.erase(found);
    t.delayed.erase(id);
  }
  if (first) {
    wake(1, 0);
  } else if (done) {
    wake_again();
  }
  return out;
}

Value ModelCall::reschedule() {
  const auto found = t.delayed_data.find(arg(1));
  auto e = found == t.delayed_data.end() ? std::nullopt : EnvelopeText::parse(found->second);
  if (!e || e->id != arg(1)) return array({number(now), text("none")});
  if (!arg(2).empty()) redate(*e, num(2));
  if (!arg(3).empty()) e->priority = arg(3)[0];
  found->second = e->text();
  if (!arg(2).empty()) {
    t.delayed[arg(1)] = num(2);
    if (in_order(t.delayed).front().second == arg(1)) wake(1, 0);
  }
  return array({number(now), text("ok")});
}

Value ModelCall::displace() {
  auto& list = named_list(0);
  std::int64_t left = num(4);
  std::int64_t seen = 0;
  // In slices of 2, 4, ...: the bytes are counted a slice.
  for (std::int64_t slice = 2; seen < num(3) && (seen == 0 || left >= 0); slice *= 2) {
    const std::int64_t ask = std::min(slice, num(3) - seen);
    for (std::int64_t k = 0; k < ask; ++k) {
      const auto at = static_cast<std::size_t>(num(2) + seen + k);
      if (at >= list.size()) return array({number(now), text("none")});
      auto e = EnvelopeText::parse(list[at]);
      if (!e || e->id != arg(1)) {
        left -= size_of(list[at]);
        continue;
      }
      bool first = false;
      if (call.lists.at(1) == "delayed") {
        redate(*e, num(5));
        const std::string name = put(t.delayed, t.delayed_data, e->id, num(5), e->text());
        first = in_order(t.delayed).front().second == name;
      } else {
        e->priority = arg(5)[0];
        first = named_list(1).empty();
        named_list(1).push_back(e->text());
      }
      if (first) wake(1, 0);
      list[at].clear();
      return array({number(now), text("ok")});
    }
    seen += ask;
  }
  return array({number(now), text("none")});
}

Value ModelCall::purge_list() {
  auto& list = named_list(0);
  const std::int64_t by = num(1) == 0 ? now : num(1);
  const auto passed = static_cast<std::size_t>(num(2));
  std::int64_t left = num(4), seen = 0, gone = 0, kept = 0;
  std::size_t cut = 0;
  bool end = false;
  for (std::int64_t slice = 2; !end && seen < num(3) && (seen == 0 || left >= 0); slice *= 2) {
    const std::int64_t ask = std::min(slice, num(3) - seen);
    for (std::int64_t k = 0; k < ask && !end; ++k) {
      const std::size_t at = passed + static_cast<std::size_t>(seen);
      end = at >= list.size();
      if (end) break;
      ++seen;
      std::string& element = list[at];
      const auto e = EnvelopeText::parse(element);
      left -= size_of(element);
      if (!element.empty() && !(e && e->created <= by)) {
        ++kept;
        continue;
      }
      if (passed == 0 && kept == 0) ++cut;
      if (!e) continue;
      ++gone;
      free_own(*e, std::to_string(e->until));
      t.ended.push_back(element);
      element.clear();
    }
  }
  if (gone > 0) t.stats["discarded"] += gone;
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(cut));
  return array({number(now), number(gone), number(seen - static_cast<std::int64_t>(cut)),
                number(end ? 1 : 0)});
}

Value ModelCall::purge_delayed() {
  const std::int64_t by = num(1) == 0 ? now : num(1);
  const auto rows = in_order(t.delayed);
  std::int64_t left = num(4), gone = 0, kept = 0;
  bool more = false;
  for (auto at = static_cast<std::size_t>(num(2)); at < rows.size(); ++at) {
    if (gone + kept == num(3)) break;
    more = left < 0 && gone + kept > 0;
    if (more) break;
    const std::string& member = rows[at].second;
    const std::string value = t.delayed_data.at(member);
    const auto e = EnvelopeText::parse(value);
    left -= size_of(value);
    if (!e || e->created > by) {
      ++kept;
      continue;
    }
    ++gone;
    free_own(*e, std::to_string(e->until));
    t.ended.push_back(value);
    t.delayed.erase(member);
    t.delayed_data.erase(member);
  }
  if (gone > 0) t.stats["discarded"] += gone;
  more = more || gone + kept == num(3);
  return array({number(now), number(gone), number(kept), number(more ? 1 : 0)});
}

}  // namespace mx_rmq::test

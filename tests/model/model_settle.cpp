// ack, retry, dead, release.
#include "model.hpp"

namespace mx_rmq::test {

Value ModelCall::ack() {
  const auto chosen = static_cast<std::size_t>(num(4));
  const std::string& me = arg(1);
  const std::int64_t tags = static_cast<std::int64_t>(call.argv.size() - 4 - 2 * chosen);
  if (!alive(me)) {
    settle_lost(tags);
    return number(-1);
  }
  auto& held = t.processing[me];
  std::int64_t n = 0;
  for (std::size_t at = 5, k = 0; has(at); ++k) {
    const std::string& tag = arg(at);
    if (held.contains(tag)) {
      if (k < chosen) {
        const auto entry = t.ids.find(arg(at + 1));
        if (entry != t.ids.end() && entry->second == arg(at + 2)) t.ids.erase(entry);
      }
      t.ended.push_back(held.at(tag));
      held.erase(tag);
      ++n;
    }
    at += k < chosen ? 3 : 1;
  }
  if (held.empty()) t.processing.erase(me);
  if (n > 0) {
    t.stats[arg(2)] += n;
    if (!arg(3).empty()) t.stats[arg(3)] += n;
  }
  return number(n);
}

Value ModelCall::retry() {
  const std::string& me = arg(1);
  if (!alive(me)) return settle_lost(static_cast<std::int64_t>((call.argv.size() - 1) / 5));
  auto& held = t.processing[me];
  std::int64_t n = 0;
  std::set<std::string> mine;
  for (std::size_t at = 2; has(at); at += 5) {
    const auto found = held.find(arg(at));
    if (found == held.end()) continue;
    const std::string e = arg(at + 4) + found->second.substr(static_cast<std::size_t>(num(at + 3)));
    const std::int64_t due = num(at + 1) == 0 ? now : after(num(at + 1));
    mine.insert(put(t.delayed, t.delayed_data, arg(at + 2), due, e));
    held.erase(found);
    ++n;
  }
  if (held.empty()) t.processing.erase(me);
  if (n > 0) {
    t.stats["retried"] += n;
    if (mine.contains(in_order(t.delayed).front().second)) wake(1, 0);
  }
  return array({number(now), text("ok"), number(n)});
}

Value ModelCall::dead() {
  const std::string& me = arg(1);
  if (!alive(me)) return settle_lost(static_cast<std::int64_t>((call.argv.size() - 2) / 3));
  auto& held = t.processing[me];
  std::int64_t n = 0;
  for (std::size_t at = 3; has(at); at += 3) {
    const auto found = held.find(arg(at));
    if (found == held.end()) continue;
    bury(arg(at + 1), arg(at + 2), found->second);
    if (arg(at + 2).starts_with("expired\t")) ++t.stats["expired"];
    held.erase(found);
    ++n;
  }
  if (held.empty()) t.processing.erase(me);
  const std::vector<std::string> dropped = cap(num(2), n);
  Value out = array({number(now), text("ok"), number(static_cast<std::int64_t>(t.dead.size()))});
  for (const std::string& each : dropped) out.elements.push_back(text(each));
  return out;
}

Value ModelCall::release() {
  const std::string& me = arg(1);
  if (!alive(me)) return settle_lost(static_cast<std::int64_t>((call.argv.size() - 1) / 3));
  auto& held = t.processing[me];
  std::int64_t n = 0;
  for (std::size_t at = 2; has(at); at += 3) {
    const auto found = held.find(arg(at));
    if (found == held.end()) continue;
    std::string e = found->second;
    if (!arg(at + 2).empty()) e = arg(at + 2) + e.substr(static_cast<std::size_t>(num(at + 1)));
    home(e).push_front(e);
    held.erase(found);
    ++n;
  }
  if (held.empty()) t.processing.erase(me);
  if (n > 0) wake(1, 0);
  return array({number(now), text("ok"), number(n)});
}

}  // namespace mx_rmq::test

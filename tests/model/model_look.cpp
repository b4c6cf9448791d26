// Looking at messages.
#include <algorithm>

#include "model.hpp"

namespace mx_rmq::test {
namespace {

std::int64_t size_of(const std::string& s) { return static_cast<std::int64_t>(s.size()); }

bool has(const std::string& s, const std::vector<std::string>& texts) {
  return std::ranges::any_of(
      texts, [&](const std::string& each) { return s.find(each) != std::string::npos; });
}

// The error with which a history begins, between its quotes.
std::string error_of(const std::string& history) {
  if (!history.starts_with("[\"")) return "";
  for (std::size_t i = 2; i < history.size(); ++i) {
    if (history[i] == '"') return history.substr(2, i - 2);
    if (history[i] == '\\') ++i;
  }
  return "";
}

// What a call of these wants, from the argument `at` on.
struct Wish {
  std::int64_t bytes;
  std::string kind;
  std::vector<std::string> texts;
  std::size_t end;  // the argument behind it

  Wish(const ModelCall& call, std::size_t at) : bytes(call.num(at)), kind(call.arg(at + 1)) {
    const auto n = static_cast<std::size_t>(call.num(at + 2));
    end = at + 3 + n;
    for (std::size_t i = at + 3; i < end; ++i) texts.push_back(call.arg(i));
  }
  bool fits(const std::string& envelope, const std::string& line) const {
    if (kind.empty()) return !envelope.empty();
    const auto e = EnvelopeText::parse(envelope);
    if (kind == "payload") return has(e ? e->payload : envelope, texts);
    const std::string rare = e ? e->rare : "";
    const auto behind_tab = [](const std::string& s) {
      const auto tab = s.find('\t');
      return tab == std::string::npos ? "" : s.substr(tab + 1);
    };
    if (kind == "error") {
      const std::string own = behind_tab(line);
      return has(error_of(own.empty() ? behind_tab(rare) : own), texts);
    }
    if (!e) return false;
    return kind == "id" ? e->id == texts.at(0) : has(rare.substr(0, rare.find('\t')), texts);
  }
  std::string shown(const std::string& envelope) const {
    const auto e = EnvelopeText::parse(envelope);
    return envelope.substr(0, (e ? e->head().size() : 0) + static_cast<std::size_t>(bytes));
  }
};

}  // namespace

Value ModelCall::look_list() {
  const auto& list = t.ready[call.lists.at(0) == "high"     ? 0
                             : call.lists.at(0) == "normal" ? 1
                             : call.lists.at(0) == "low"    ? 2
                                                            : 3];
  const Wish wish(*this, 6);
  const std::int64_t length = static_cast<std::int64_t>(list.size());
  std::int64_t left = num(4), room = num(5), seen = 0;
  Value out = array({number(length), number(0)});
  for (; seen < num(3) && num(2) + seen < length && room > 0 && (seen == 0 || left >= 0); ++seen) {
    const std::int64_t at = arg(1) == "1" ? length - 1 - num(2) - seen : num(2) + seen;
    const std::string& e = list[static_cast<std::size_t>(at)];
    left -= size_of(e);
    if (!wish.fits(e, "")) continue;
    --room;
    out.elements.insert(out.elements.end(), {number(at), number(size_of(e)), text(wish.shown(e))});
  }
  out.elements[1] = number(seen);
  return out;
}

Value ModelCall::look_index() {
  const bool dead = arg(6) == "1";
  auto rows = in_order(dead ? t.dead : t.delayed);
  if (arg(1) == "1") std::ranges::reverse(rows);
  const Wish wish(*this, 7);
  std::int64_t left = num(4), room = num(5), seen = 0;
  Value out = array({number(static_cast<std::int64_t>(rows.size())), number(0)});
  for (; seen < num(3) && num(2) + seen < static_cast<std::int64_t>(rows.size()) && room > 0 &&
         (seen == 0 || left >= 0);
       ++seen) {
    const auto& [score, member] = rows[static_cast<std::size_t>(num(2) + seen)];
    const std::string& value = (dead ? t.dead_data : t.delayed_data).at(member);
    left -= size_of(value);
    const auto end = dead ? value.find('\n') : std::string::npos;
    const std::string line = dead ? value.substr(0, end) : "";
    const std::string e = dead ? value.substr(end + 1) : value;
    if (!wish.fits(e, line)) continue;
    --room;
    out.elements.insert(out.elements.end(), {text(member), text(std::to_string(score)),
                                             number(size_of(e)), text(line), text(wish.shown(e))});
  }
  out.elements[1] = number(seen);
  return out;
}

Value ModelCall::look_held() {
  const auto lease = t.consumers.find(arg(1));
  const auto held = t.processing.find(arg(1));
  const Wish wish(*this, 4);
  std::int64_t left = num(2), room = num(3), seen = 0;
  Value out =
      array({text(lease == t.consumers.end() ? "" : std::to_string(lease->second)), number(0)});
  for (std::size_t i = wish.end; ModelCall::has(i) && room > 0 && (seen == 0 || left >= 0); ++i) {
    ++seen;
    if (held == t.processing.end() || !held->second.contains(arg(i))) continue;
    const std::string& e = held->second.at(arg(i));
    left -= size_of(e);
    if (!wish.fits(e, "")) continue;
    --room;
    out.elements.insert(out.elements.end(),
                        {text(arg(i)), number(size_of(e)), text(wish.shown(e))});
  }
  out.elements[1] = number(seen);
  return out;
}

}  // namespace mx_rmq::test

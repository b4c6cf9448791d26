#include "broker/message_finder.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "broker/data/envelope.hpp"
#include "broker/data/partitions.hpp"
#include "mx_rmq/runtime.hpp"

namespace mx_rmq::broker {

namespace {

// So much of each list is looked at first, around the place that was guessed.
constexpr std::int64_t near = 1'000;
// A guess is that exact, and made by so many neighbours at each step.
constexpr std::int64_t exact = 256;
constexpr int neighbours = 7;
// A search that has looked at so many is a long one, and makes a pause after each step.
constexpr std::int64_t quick = 20'000;
constexpr auto breather = std::chrono::milliseconds(1);

}  // namespace

std::optional<std::int64_t> MessageFinder::Trace::of(const std::string& envelope) const {
  const auto view = parse_envelope(envelope);
  if (!view) return std::nullopt;
  if (made) return noted_time(view->id).value_or(view->created_at);
  if (!view->chosen_id()) return std::nullopt;
  return view->id_until;
}

// The place at which one of that time would be, by halving. Neighbours decide together, as some
// messages are where others of their time are not: those that were delayed, or given back.
Task<std::int64_t> MessageFinder::guess(List list, std::int64_t length, const Trace* trace) {
  Wanted any;
  std::int64_t low = 0;
  std::int64_t high = length;
  while (high - low > exact) {
    LookBounds bounds;
    bounds.skip = low + (high - low) / 2;
    bounds.most = 3 * neighbours;
    bounds.bytes = look_bytes;
    bounds.room = neighbours;
    const LookList::Reply looked = co_await looker_.list(list, false, bounds, &any);
    std::vector<std::int64_t> times;
    for (const Looked& each : looked.found) {
      if (const auto time = trace->of(each.envelope)) times.push_back(*time);
    }
    if (times.empty()) co_return length;  // by nothing: from the tail
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::ranges::nth_element(times, middle);
    (*middle < *trace->wanted() ? low : high) = bounds.skip;
  }
  co_return low + (high - low) / 2;
}

Task<MessageFinder::Searched> MessageFinder::begin(List list, const Trace* trace) {
  Wanted any;
  Searched out;
  out.list = list;
  const LookList::Reply looked = co_await looker_.list(list, false, LookBounds(), &any);
  out.length = looked.length;
  out.first = out.length;
  if (trace->wanted() && out.length > 2 * near) {
    out.first = co_await guess(list, out.length, trace);
  }
  out.end = out.first;
  co_return out;
}

// Looks at `most` elements, from one that is so far from the tail on towards the head: what is
// added meanwhile makes steps overlap, never leave a gap.
Task<std::optional<Sighting>> MessageFinder::scan(List list, std::int64_t from_tail,
                                                  std::int64_t most, const Wanted* wanted,
                                                  LookBudget* budget) {
  most = budget->allows(most);
  while (most > 0) {
    LookBounds bounds;
    bounds.skip = from_tail;
    bounds.most = static_cast<int>(std::min<std::int64_t>(most, look_step));
    bounds.bytes = look_bytes;
    bounds.room = 1;
    LookList::Reply looked = co_await looker_.list(list, true, bounds, wanted);
    budget->used += looked.seen;
    if (!looked.found.empty()) {
      Sighting out;
      out.state = list == List::suspect ? MessageState::suspect : MessageState::waiting;
      out.list = list;
      out.looked = std::move(looked.found.front());
      co_return out;
    }
    if (looked.seen == 0) break;
    from_tail += looked.seen;
    most -= looked.seen;
    if (budget->used > quick) co_await sleep_for(breather);
  }
  co_return std::nullopt;
}

Task<std::optional<Sighting>> MessageFinder::widen(Searched* searched, std::int64_t by,
                                                   const Wanted* wanted, LookBudget* budget) {
  const std::int64_t first = std::max<std::int64_t>(0, searched->first - by);
  const std::int64_t end = std::min(searched->length, searched->end + by);
  std::optional<Sighting> found;
  if (end > searched->end) {
    found =
        co_await scan(searched->list, searched->length - end, end - searched->end, wanted, budget);
    if (found) co_return found;
  }
  if (first < searched->first) {
    found = co_await scan(searched->list, searched->length - searched->first,
                          searched->first - first, wanted, budget);
  }
  searched->first = first;
  searched->end = end;
  co_return found;
}

Task<std::optional<Sighting>> MessageFinder::in_lists(std::string id, LookBudget* budget) {
  Trace trace;
  trace.made = noted_time(id);
  if (!trace.made) trace.until = co_await looker_.id_until(id);
  Wanted wanted;
  wanted.what = Wanted::What::id;
  wanted.texts = {std::move(id)};
  wanted.payload_bytes = whole_payload;
  std::optional<Sighting> found;
  std::array<Searched, list_count> lists;
  for (std::size_t i = 0; i < list_count; ++i) {
    lists.at(i) = co_await begin(all_lists.at(i), &trace);
    found = co_await widen(&lists.at(i), near, &wanted, budget);
    if (found) co_return found;
  }
  bool more = true;
  for (std::int64_t by = near; more && !budget->exhausted; by *= 2) {
    more = false;
    for (Searched& each : lists) {
      found = co_await widen(&each, by, &wanted, budget);
      if (found) co_return found;
      more = more || each.first > 0 || each.end < each.length;
    }
  }
  co_return std::nullopt;
}

Task<std::optional<Sighting>> MessageFinder::find(std::string id, LookBudget* budget) {
  std::optional<Sighting> found = co_await looker_.member(false, id);
  if (found) co_return found;
  found = co_await looker_.member(true, id);
  if (found) co_return found;
  found = co_await in_lists(id, budget);
  if (found) co_return found;
  // Where one goes that a worker has taken, or has failed, meanwhile.
  found = co_await looker_.holding(id, &budget->used);
  if (found) co_return found;
  found = co_await looker_.member(false, id);
  if (found) co_return found;
  co_return co_await looker_.member(true, std::move(id));
}

}  // namespace mx_rmq::broker

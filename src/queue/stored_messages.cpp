#include "queue/stored_messages.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/message_headers.hpp"
#include "broker/data/envelope.hpp"
#include "broker/data/history.hpp"
#include "broker/describe.hpp"
#include "mx_rmq/detail/payload_decode_error.hpp"
#include "queue/whole_dead_letters.hpp"
#include "runtime/utf8.hpp"

namespace mx_rmq::queue {

namespace {

using broker::List;
using broker::LookBounds;
using broker::Looked;
using broker::MessageLooker;
using broker::Sighting;
using broker::Wanted;

// Where a cut has gone through a character, that goes too.
std::string_view whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;
    if (runtime::utf8::decode(text, text.size() - back).length == 0) text.remove_suffix(back);
    break;
  }
  return text;
}

void take_payload(StoredMessage& message, std::string_view shown, std::size_t whole) {
  message.payload_size = whole;
  message.payload_cut = shown.size() < whole;
  message.payload = message.payload_cut ? whole_characters(shown) : shown;
}

void take_history(StoredMessage& message, broker::History history) {
  message.interruptions = history.interruptions;
  message.attempt_times = std::move(history.started_at);
  message.last_ended = history.ended_at;
  message.requeued_at = history.requeued_at;
  message.last_error = std::move(history.last_error).value_or("");
  if (history.failures) message.attempts = *history.failures;
}

// The lists of a state, in the order in which they are served.
std::vector<List> lists_of(MessageState state, std::optional<MessagePriority> priority) {
  if (state == MessageState::suspect) return {List::suspect};
  if (priority) return {broker::list_of(*priority)};
  return {List::high, List::normal, List::low};
}

// What is left of a page that is being filled from one source after the other.
struct Filling {
  Filling() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  MessagePage page;
  std::int64_t skip = 0;
  std::int64_t left = 0;
  Wanted wanted;

  explicit Filling(const PageRequest& request) : skip(request.offset), left(request.limit) {
    wanted.payload_bytes = request.payload_bytes;
  }
  [[nodiscard]] LookBounds next() const {
    LookBounds bounds;
    bounds.skip = skip;
    bounds.most = static_cast<int>(std::min<std::int64_t>(left, broker::tell_step));
    bounds.bytes = broker::look_bytes;
    bounds.room = bounds.most;
    return bounds;
  }
};

Task<> fill_from_list(WholeTopic::Part* part, int partition, List list, bool from_tail,
                      Filling* filling) {
  LookBounds bounds = filling->next();
  for (bool first = true;; first = false) {
    auto looked = co_await part->looker.list(list, from_tail, bounds, &filling->wanted);
    if (first) {
      filling->page.total += looked.length;
      filling->skip = std::max<std::int64_t>(0, filling->skip - looked.length);
    }
    for (Looked& each : looked.found) {
      Sighting sighting;
      sighting.state = list == List::suspect ? MessageState::suspect : MessageState::waiting;
      sighting.list = list;
      sighting.looked = std::move(each);
      filling->page.messages.push_back(stored_message(partition, std::move(sighting)));
      --filling->left;
    }
    if (looked.seen == 0 || filling->left <= 0) co_return;
    bounds.skip += looked.seen;
    bounds.most = static_cast<int>(std::min<std::int64_t>(filling->left, broker::tell_step));
    bounds.room = bounds.most;
  }
}

Task<> fill_from_consumer(WholeTopic::Part* part, int partition, std::string consumer,
                          Filling* filling) {
  const std::int64_t count = co_await part->looker.held_count(consumer);
  filling->page.total += count;
  const std::int64_t skip = std::min(filling->skip, count);
  filling->skip -= skip;
  if (skip == count || filling->left <= 0) co_return;
  const std::vector<std::string> tags = co_await part->looker.tags(consumer);
  std::span<const std::string> rest(tags);
  rest = rest.subspan(std::min(static_cast<std::size_t>(skip), rest.size()));
  while (!rest.empty() && filling->left > 0) {
    const auto some = rest.first(std::min<std::size_t>(
        {rest.size(), broker::tell_step, static_cast<std::size_t>(filling->left)}));
    auto looked = co_await part->looker.held(consumer, some, broker::tell_step, &filling->wanted);
    for (Looked& each : looked.found) {
      Sighting sighting;
      sighting.state = MessageState::held;
      sighting.consumer = consumer;
      sighting.lease_until = looked.lease_until;
      sighting.looked = std::move(each);
      filling->page.messages.push_back(stored_message(partition, std::move(sighting)));
      --filling->left;
    }
    rest = rest.subspan(
        std::min(static_cast<std::size_t>(std::max<std::int64_t>(looked.seen, 1)), rest.size()));
  }
}

// A stretch of one partition's delayed or dead messages.
Task<bool> take_stretch(WholeTopic::Part* part, int partition, bool dead, bool latest_first,
                        std::int64_t from, std::int64_t count, Filling* filling) {
  while (count > 0) {
    LookBounds bounds;
    bounds.skip = from;
    bounds.most = static_cast<int>(std::min<std::int64_t>(count, broker::tell_step));
    bounds.bytes = broker::look_bytes;
    bounds.room = bounds.most;
    auto looked = co_await part->looker.index(dead, latest_first, bounds, &filling->wanted);
    for (Looked& each : looked.found) {
      Sighting sighting;
      sighting.state = dead ? MessageState::dead : MessageState::delayed;
      sighting.looked = std::move(each);
      filling->page.messages.push_back(stored_message(partition, std::move(sighting)));
    }
    if (looked.seen == 0) break;
    from += looked.seen;
    count -= looked.seen;
  }
  co_return true;
}

// Delayed ones that are due first, or dead ones that died last, come first, unless it is the other
// way round.
Task<MessagePage> page_of_index(Whole whole, bool dead, PageRequest request) {
  const bool latest_first = dead != request.from_tail;
  Filling filling(request);
  for (std::size_t i = 0; i < whole->size(); ++i) {
    auto looked =
        co_await whole->part(i).looker.index(dead, latest_first, LookBounds(), &filling.wanted);
    filling.page.total += looked.count;
  }
  if (whole->size() == 1) {
    co_await take_stretch(&whole->part(0), 0, dead, latest_first, request.offset, request.limit,
                          &filling);
    co_return std::move(filling.page);
  }
  constexpr std::int64_t at_once = 1'000;
  MergedPage merged(whole->size(), request.offset, request.limit);
  while (const auto list = merged.wants()) {
    auto scores =
        co_await whole->part(*list).looker.scores(dead, latest_first, merged.known(*list), at_once);
    if (!latest_first) {
      for (std::int64_t& each : scores) each = -each;  // it merges what falls
    }
    merged.add(*list, scores);
  }
  std::vector<std::vector<StoredMessage>> found(whole->size());
  for (std::size_t i = 0; i < whole->size(); ++i) {
    const std::int64_t count = merged.end(i) - merged.from(i);
    co_await take_stretch(&whole->part(i), static_cast<int>(i), dead, latest_first, merged.from(i),
                          count, &filling);
    found[i] = std::move(filling.page.messages);
    filling.page.messages.clear();
  }
  std::vector<std::size_t> taken(whole->size());
  for (const std::size_t list : merged.order()) {
    // Some may have gone since their times were asked for.
    if (taken[list] == found[list].size()) continue;
    filling.page.messages.push_back(std::move(found[list][taken[list]++]));
  }
  co_return std::move(filling.page);
}

Task<MessagePage> page_of_lists(Whole whole, MessageState state, PageRequest request) {
  struct Source {
    List list;
    std::size_t partition;
  };
  std::vector<Source> sources;
  for (const List list : lists_of(state, request.priority)) {
    for (std::size_t i = 0; i < whole->size(); ++i) sources.push_back({list, i});
  }
  if (request.from_tail) std::ranges::reverse(sources);
  Filling filling(request);
  for (const Source& each : sources) {
    co_await fill_from_list(&whole->part(each.partition), static_cast<int>(each.partition),
                            each.list, request.from_tail, &filling);
  }
  co_return std::move(filling.page);
}

Task<MessagePage> page_of_held(Whole whole, PageRequest request) {
  Filling filling(request);
  for (std::size_t i = 0; i < whole->size(); ++i) {
    std::vector<std::string> consumers = co_await whole->part(i).looker.consumers();
    if (request.from_tail) std::ranges::reverse(consumers);
    for (std::string& consumer : consumers) {
      co_await fill_from_consumer(&whole->part(i), static_cast<int>(i), std::move(consumer),
                                  &filling);
    }
  }
  co_return std::move(filling.page);
}

Task<bool> find_in_part(WholeTopic::Part* part, std::string id, broker::LookBudget* budget,
                        std::optional<Sighting>* found, const WholeTopic::Part** where) {
  auto sighting = co_await part->finder.find(std::move(id), budget);
  if (!sighting) co_return false;
  *found = std::move(sighting);
  *where = part;
  co_return true;
}

}  // namespace

StoredMessage stored_message(int partition, Sighting sighting) {
  StoredMessage out;
  Looked& looked = sighting.looked;
  out.state = sighting.state;
  out.partition = partition;
  out.place = looked.place;
  out.size = looked.size;
  out.holder = std::move(sighting.consumer);
  out.lease_until = sighting.lease_until;
  if (out.state == MessageState::delayed) out.due_at = looked.score;
  if (out.state == MessageState::dead) out.died_at = looked.score;
  const std::size_t tab = looked.line.find('\t');
  out.reason = looked.line.substr(0, tab);
  std::optional<broker::History> history;
  if (tab != std::string::npos)
    history = broker::parse_history(std::string_view(looked.line).substr(tab + 1));
  const auto view = broker::parse_envelope(looked.envelope);
  if (!view) {
    out.readable = false;
    out.id = std::move(looked.member);
    if (out.state == MessageState::held) out.id.clear();
    if (history) take_history(out, std::move(*history));
    take_payload(out, looked.envelope, looked.size);
    return out;
  }
  out.id = view->id;
  out.priority = view->priority;
  out.created_at = view->created_at;
  out.expire_at = view->expire_at;
  out.attempts = view->attempts;
  out.recoveries = view->recoveries;
  out.chosen_id = view->chosen_id();
  if (!history) history = broker::parse_history(view->history);
  if (history) take_history(out, std::move(*history));
  if (out.last_error.empty() && out.state == MessageState::dead)
    out.last_error = broker::default_error(out.reason, *view);
  try {
    out.headers = api::decode_headers(view->headers);
  } catch (const detail::PayloadDecodeError&) {
    out.headers.clear();
  }
  take_payload(out, view->payload, looked.size - view->head_size);
  return out;
}

Task<MessagePage> list_messages(Whole whole, MessageState state, PageRequest request) {
  switch (state) {
    case MessageState::held:
      return page_of_held(std::move(whole), std::move(request));
    case MessageState::delayed:
    case MessageState::dead:
      return page_of_index(std::move(whole), state == MessageState::dead, std::move(request));
    default:
      return page_of_lists(std::move(whole), state, std::move(request));
  }
}

Task<FoundMessage> find_message(Whole whole, std::string id, std::int64_t scan_limit) {
  broker::LookBudget budget;
  budget.limit = scan_limit;
  std::optional<Sighting> sighting;
  const WholeTopic::Part* where = nullptr;
  WholeTopic::Call<bool> find = [&budget, &sighting, &where, &id](WholeTopic::Part& part) {
    return find_in_part(&part, id, &budget, &sighting, &where);
  };
  const bool found = co_await WholeTopic::somewhere(whole, id, std::move(find));
  FoundMessage out;
  out.looked_at = budget.used;
  out.everywhere = !budget.exhausted;
  if (!found) co_return out;
  int partition = 0;
  while (&whole->part(static_cast<std::size_t>(partition)) != where) ++partition;
  out.message = stored_message(partition, std::move(*sighting));
  co_return out;
}

}  // namespace mx_rmq::queue

#include "queue/message_changes.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "broker/data/envelope.hpp"
#include "broker/data/outgoing_envelope.hpp"
#include "broker/data/partitions.hpp"
#include "mx_rmq/errors.hpp"
#include "queue/produce_calls.hpp"

namespace mx_rmq::queue {

namespace {

using broker::List;
using broker::Sighting;

// A message is looked for among so many at most; where it is only to be said where it is, among so
// many.
constexpr std::int64_t scan_to_change = 100'000;
constexpr std::int64_t scan_to_tell = 5'000;
// It moves while it is looked for: so often it is looked for again.
constexpr int tries = 4;
constexpr std::size_t promoted_at_once = 100;

bool waits(MessageState state) {
  return state == MessageState::waiting || state == MessageState::suspect;
}

Task<bool> find_there(WholeTopic::Part* part, std::string id, broker::LookBudget* budget,
                      Located* located) {
  auto found = co_await part->finder.find(std::move(id), budget);
  if (!found) co_return false;
  located->part = part;
  located->seen = std::move(*found);
  co_return true;
}

MessageChange changed(std::string id, ChangeOutcome outcome, MessageState state) {
  MessageChange out;
  out.id = std::move(id);
  out.outcome = outcome;
  out.state = state;
  return out;
}

// At each partition those that were at none before it.
Task<> promote_in(WholeTopic::Part* part, std::vector<MessageChange>* changes, bool* repeated) {
  std::vector<std::size_t> places;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < changes->size(); ++i) {
    const bool last = i + 1 == changes->size();
    if ((*changes)[i].outcome == ChangeOutcome::not_found) {
      places.push_back(i);
      ids.push_back((*changes)[i].id);
    }
    if (ids.empty() || (ids.size() < promoted_at_once && !last)) continue;
    const std::vector<bool> done = co_await part->changer.promote(std::move(ids), repeated);
    for (std::size_t k = 0; k < places.size(); ++k) {
      if (!done[k]) continue;
      (*changes)[places[k]].outcome = ChangeOutcome::done;
      (*changes)[places[k]].state = MessageState::waiting;
    }
    places.clear();
    ids = {};
  }
}

// Whether it is as asked already.
bool is_so(const Sighting& seen, std::optional<std::int64_t> due,
           std::optional<MessagePriority> priority) {
  if (due) return seen.state == MessageState::delayed && seen.looked.score == *due;
  const auto view = broker::parse_envelope(seen.looked.envelope);
  return view && view->priority == *priority;
}

// Another message like the one that is to be moved.
broker::OutgoingEnvelope copy_of(const Sighting& seen, const broker::EnvelopeView& view) {
  broker::OutgoingEnvelope out;
  out.priority = view.priority;
  if (seen.state == MessageState::delayed) out.at = seen.looked.score;
  out.ttl = std::chrono::milliseconds(std::max<std::int64_t>(1, view.ttl));
  out.id = view.id;
  out.chosen = true;  // so that a second copy of the call finds the first one's message
  out.refuse_duplicate = true;
  out.route = broker::route_hash(out.id);
  out.payload = view.payload;
  out.headers = view.headers;
  return out;
}

// Whether the message with that id in the other topic is the same one: an earlier call moved it.
Task<bool> is_there(detail::QueueCore* core, std::string to, std::string id, std::string payload) {
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(to));
  const Located there = co_await locate(std::move(whole), std::move(id), scan_to_change);
  if (there.part == nullptr) co_return false;
  const auto view = broker::parse_envelope(there.seen.looked.envelope);
  co_return view && view->payload == payload;
}

// Removes it where it was seen. False: it is not there any more.
Task<bool> remove_moved(WholeTopic::Part* part, MessageState state, std::string id) {
  if (state == MessageState::dead) return part->dead_letters.remove(std::move(id));
  const runtime::TimePoint deadline = part->broker.loop().now() + std::chrono::seconds(60);
  return part->canceller.cancel(std::move(id), deadline);
}

}  // namespace

MessageChange Located::not_changed(std::string id, bool repeated) const {
  MessageChange out;
  out.id = std::move(id);
  if (part != nullptr) {
    out.outcome = ChangeOutcome::refused;
    out.state = seen.state;
  } else if (repeated) {
    out.outcome = ChangeOutcome::unknown;
  } else if (!everywhere) {
    out.outcome = ChangeOutcome::not_reached;
  }
  return out;
}

Task<Located> locate(Whole whole, std::string id, std::int64_t scan_limit) {
  broker::LookBudget budget;
  budget.limit = scan_limit;
  Located located;
  WholeTopic::Call<bool> find = [&budget, &located, &id](WholeTopic::Part& part) {
    return find_there(&part, id, &budget, &located);
  };
  co_await WholeTopic::somewhere(std::move(whole), id, std::move(find));
  located.everywhere = !budget.exhausted;
  co_return std::move(located);
}

Task<std::vector<MessageChange>> promote_messages(Whole whole, std::vector<std::string> ids) {
  std::vector<MessageChange> changes(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) changes[i].id = std::move(ids[i]);
  bool repeated = false;
  for (std::size_t i = 0; i < whole->size(); ++i) {
    co_await promote_in(&whole->part(i), &changes, &repeated);
  }
  for (MessageChange& each : changes) {
    if (each.outcome == ChangeOutcome::done) continue;
    const Located located = co_await locate(whole, each.id, scan_to_tell);
    const bool ready = located.part != nullptr && waits(located.seen.state);
    if (ready) {
      each = changed(std::move(each.id), repeated ? ChangeOutcome::done : ChangeOutcome::already,
                     located.seen.state);
    } else {
      each = located.not_changed(std::move(each.id), repeated);
    }
  }
  co_return changes;
}

Task<MessageChange> alter_message(Whole whole, std::string id, std::optional<std::int64_t> due,
                                  std::optional<MessagePriority> priority) {
  bool repeated = false;
  Located located;
  for (int left = tries; left > 0; --left) {
    located = co_await locate(whole, id, scan_to_change);
    if (located.part == nullptr) break;
    const MessageState state = located.seen.state;
    if (state == MessageState::held || state == MessageState::dead) break;
    if (is_so(located.seen, due, priority)) {
      co_return changed(std::move(id), repeated ? ChangeOutcome::done : ChangeOutcome::already,
                        state);
    }
    bool done = false;
    if (state == MessageState::delayed) {
      done = co_await located.part->changer.reschedule(id, due, priority, &repeated);
    } else {
      const MessagePriority to = priority.value_or(MessagePriority::normal);
      done = co_await located.part->changer.displace(id, located.seen, due, to, &repeated);
    }
    const MessageState now = due ? MessageState::delayed : state;
    if (done) co_return changed(std::move(id), ChangeOutcome::done, now);
  }
  co_return located.not_changed(std::move(id), repeated);
}

Task<MessageChange> move_message(std::shared_ptr<detail::QueueCore> core, Whole whole,
                                 std::string id, std::string to) {
  const Located located = co_await locate(whole, id, scan_to_change);
  const auto view = broker::parse_envelope(located.seen.looked.envelope);
  if (located.part == nullptr || located.seen.state == MessageState::held || !view) {
    co_return located.not_changed(std::move(id), false);
  }
  const MessageState state = located.seen.state;
  broker::OutgoingEnvelope copy = copy_of(located.seen, *view);
  const std::string payload = copy.payload;
  std::exception_ptr duplicate;
  try {
    co_await produce(core, to, std::move(copy));
  } catch (const Duplicate&) {
    duplicate = std::current_exception();
  }
  if (duplicate) {
    const bool same = co_await is_there(core.get(), to, id, payload);
    if (!same) std::rethrow_exception(duplicate);
  }
  bool removed = false;
  bool in_doubt = false;
  try {
    removed = co_await remove_moved(located.part, state, id);
  } catch (const OutcomeUnknown&) {
    in_doubt = true;
  }
  if (in_doubt) {
    const Located left = co_await locate(std::move(whole), id, scan_to_change);
    removed = left.part == nullptr && left.everywhere;
  }
  // Else a worker was quicker, and has it, or has handled it.
  co_return changed(std::move(id), removed ? ChangeOutcome::done : ChangeOutcome::twice, state);
}

Task<std::int64_t> purge_messages(Whole whole, MessageState state) {
  WholeTopic::Call<std::int64_t> purge = [state](WholeTopic::Part& part) {
    switch (state) {
      case MessageState::dead:
        return part.dead_letters.purge();
      case MessageState::delayed:
        return part.changer.purge_delayed();
      case MessageState::suspect:
        return part.changer.purge_lists({List::suspect});
      default:
        return part.changer.purge_lists({List::high, List::normal, List::low});
    }
  };
  co_return co_await WholeTopic::sum(std::move(whole), std::move(purge));
}

}  // namespace mx_rmq::queue

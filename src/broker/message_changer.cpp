#include "broker/message_changer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"

namespace mx_rmq::broker {

namespace {

// A message that waits may have come so much nearer to the head since it was seen, or have got so
// many before it that were given back.
constexpr std::int64_t drift = 2'000;
// Messages a step of purging looks at: Redis is busy with it for well under 2 ms.
constexpr int purge_step = 200;
// Between the steps of purging, so that others get their turn.
constexpr auto between_steps = std::chrono::milliseconds(1);

void tell_if_unknown(const char* what, bool repeated, std::int64_t gone) {
  if (!repeated) return;
  throw OutcomeUnknown(std::string(what) +
                       ": all was done, but the reply of a step was lost: more than the " +
                       std::to_string(gone) + " messages counted went");
}

PurgeStep first_step() {
  PurgeStep step;
  step.most = purge_step;
  step.bytes = look_bytes;
  return step;
}

}  // namespace

Task<std::vector<bool>> MessageChanger::promote(std::vector<std::string> ids, bool* repeated) {
  const Promote::Args args{ids};
  Promote::Reply out = co_await broker_->call<Promote>(args, deadline(), repeated);
  out.done.resize(ids.size());
  co_return std::move(out.done);
}

Task<bool> MessageChanger::reschedule(std::string id, std::optional<std::int64_t> due,
                                      std::optional<MessagePriority> priority, bool* repeated) {
  Reschedule::Args args;
  args.id = id;
  args.due = due;
  args.priority = priority;
  const Reschedule::Reply out = co_await broker_->call<Reschedule>(args, deadline(), repeated);
  co_return out.done;
}

Task<bool> MessageChanger::displace(std::string id, Sighting seen, std::optional<std::int64_t> due,
                                    MessagePriority priority, bool* repeated) {
  Displace::Args args;
  args.list = seen.list;
  args.id = id;
  args.due = due;
  args.priority = priority;
  args.most = look_step;
  args.bytes = look_bytes;
  // From its place towards the head, and then a little the other way.
  const std::int64_t least = std::max<std::int64_t>(0, seen.looked.place - drift);
  std::int64_t skip = seen.looked.place - look_step / 2;
  for (;; skip -= look_step) {
    args.skip = std::max(skip, least);
    const Displace::Reply out = co_await broker_->call<Displace>(args, deadline(), repeated);
    if (out.done) co_return true;
    if (args.skip == least) break;
  }
  co_return false;
}

Task<std::int64_t> MessageChanger::purge_lists(std::vector<List> lists) {
  std::int64_t gone = 0;
  bool repeated = false;
  std::int64_t by = 0;
  for (const List list : lists) {
    PurgeList::Args args;
    args.list = list;
    args.step = first_step();
    args.step.by = by;
    for (;;) {
      const PurgeList::Reply out = co_await broker_->call<PurgeList>(args, deadline(), &repeated);
      gone += out.gone;
      if (by == 0) by = out.now;
      args.step.by = by;
      args.step.skip += out.left;
      if (!out.more) break;
      co_await sleep_for(between_steps);
    }
  }
  tell_if_unknown("purge", repeated, gone);
  co_return gone;
}

Task<std::int64_t> MessageChanger::purge_delayed() {
  std::int64_t gone = 0;
  bool repeated = false;
  PurgeDelayed::Args args = first_step();
  for (;;) {
    const PurgeDelayed::Reply out =
        co_await broker_->call<PurgeDelayed>(args, deadline(), &repeated);
    gone += out.gone;
    if (args.by == 0) args.by = out.now;
    args.skip += out.left;
    if (!out.more) break;
    co_await sleep_for(between_steps);
  }
  tell_if_unknown("purge", repeated, gone);
  co_return gone;
}

}  // namespace mx_rmq::broker

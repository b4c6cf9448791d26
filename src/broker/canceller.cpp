#include "broker/canceller.hpp"

#include <cstdint>
#include <utility>

#include "broker/scripts/calls_cancel.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

namespace {

constexpr int page = 1'000;
constexpr std::size_t page_bytes = std::size_t{4} << 20;

}  // namespace

Task<bool> Canceller::cancel(std::string id, TimePoint deadline) {
  bool in_doubt = false;
  bool cancelled = false;
  std::string failed;
  try {
    cancelled = co_await search(std::move(id), deadline, &in_doubt);
  } catch (const OutcomeUnknown&) {
    throw;
  } catch (const Error& error) {
    if (!in_doubt) throw;
    failed = error.what();
  }
  if (!failed.empty()) {
    throw OutcomeUnknown("cancel: a call was sent and no reply came; and then: " + failed);
  }
  if (in_doubt && !cancelled) {
    throw OutcomeUnknown(
        "cancel: a call was sent and no reply came; repeated, it found no such message");
  }
  co_return cancelled;
}

// `in_doubt`: a call without a reply may have cancelled it.
Task<bool> Canceller::search(std::string id, TimePoint deadline, bool* in_doubt) {
  TopicBroker& broker = *broker_;
  const ScriptCaller caller = broker.caller().each_within(command_timeout_);

  redis::Command command = make_cancel(broker.keys(), id);
  const Attempted<bool> delayed = co_await caller.attempt(
      lua::cancel, std::move(command), read_cancel, deadline, Resend::until_deadline);
  if (delayed.result) co_return true;
  *in_doubt = delayed.repeated;

  for (const List list : all_lists) {
    CancelPageArgs args;
    args.list = list;
    args.id = id;
    args.most = page;
    args.bytes = page_bytes;
    for (;;) {
      if (broker.loop().now() >= deadline) {
        throw TimeoutError("cancel: the message was not found in time; it was not cancelled");
      }
      command = make_cancel_page(broker.keys(), args);
      const Attempted<CancelPageResult> found = co_await caller.attempt(
          lua::cancel_page, std::move(command), read_cancel_page, deadline, Resend::until_deadline);
      if (found.result.found) co_return true;
      *in_doubt = *in_doubt || found.repeated;
      if (found.result.end) break;
      // Counted from the tail: what is added meanwhile makes pages overlap, never leave a gap.
      args.skip += found.result.seen;
    }
  }
  co_return false;
}

}  // namespace mx_rmq::broker

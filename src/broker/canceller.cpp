#include "broker/canceller.hpp"

#include <cstdint>
#include <utility>

#include "broker/scripts/calls_cancel.hpp"
#include "mx_rmq/errors.hpp"

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
  const Cancel::Args delayed{id};
  const bool was_delayed = co_await caller_.call<Cancel>(keys_, delayed, deadline, in_doubt);
  if (was_delayed) co_return true;

  for (const List list : all_lists) {
    CancelPage::Args args;
    args.list = list;
    args.id = id;
    args.most = page;
    args.bytes = page_bytes;
    for (;;) {
      if (caller_.loop().now() >= deadline) {
        throw TimeoutError("cancel: the message was not found in time; it was not cancelled");
      }
      const CancelPage::Reply looked =
          co_await caller_.call<CancelPage>(keys_, args, deadline, in_doubt);
      if (looked.found) co_return true;
      if (looked.end) break;
      // Counted from the tail: what is added meanwhile makes pages overlap, never leave a gap.
      args.skip += looked.seen;
    }
  }
  co_return false;
}

}  // namespace mx_rmq::broker

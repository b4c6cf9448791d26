#include "broker/describe.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::broker {
namespace {

// An envelope tells when it was first due: its time to live ends that much later. Requeueing begins
// that anew.
std::chrono::milliseconds delay_of(const EnvelopeView& view, const History& history) {
  if (history.requeued_at) return std::chrono::milliseconds(0);
  const std::int64_t due = view.expire_at - view.ttl;
  return std::chrono::milliseconds(std::max<std::int64_t>(0, due - view.created_at));
}

}  // namespace

void describe(Message& message, const EnvelopeView& view, History history) {
  message.id = view.id;
  message.priority = view.priority;
  message.created_at = view.created_at;
  MessageMeta& meta = message.meta;
  meta.delay = delay_of(view, history);
  meta.retry_count = view.attempts;
  meta.recoveries = view.recoveries;
  meta.expire_at = view.expire_at;
  meta.created_at = view.created_at;
  meta.interruptions = history.interruptions;
  meta.last_error = std::move(history.last_error);
  meta.attempt_times = std::move(history.started_at);
  meta.last_retry_at = history.ended_at;
  meta.retried_from_dlq_at = history.requeued_at;
}

std::string default_error(std::string_view reason, const EnvelopeView& view) {
  if (reason == "poison")
    return "taken back from dead consumers " + std::to_string(view.recoveries) +
           " times, and its worker died again";
  if (reason == "expired") return "expired before a worker began it";
  return {};
}

}  // namespace mx_rmq::broker

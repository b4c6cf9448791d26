#include <algorithm>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "api/counters.hpp"
#include "broker/scripts/calls_snapshot.hpp"
#include "broker/topic_history.hpp"
#include "mx_rmq/admin.hpp"
#include "queue/core.hpp"
#include "queue/note_history.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {
namespace {

using std::chrono::milliseconds;

// Where each counter is in a line.
constexpr std::array places{
    &MessageCounters::produced,  &MessageCounters::duplicates, &MessageCounters::completed,
    &MessageCounters::retried,   &MessageCounters::dead,       &MessageCounters::dropped,
    &MessageCounters::expired,   &MessageCounters::cancelled,  &MessageCounters::lease_lost,
    &MessageCounters::recovered, &MessageCounters::requeued,   &MessageCounters::removed};
constexpr std::size_t discarded = 12;

HistoryPoint point_of(const broker::SnapshotLine& line) {
  HistoryPoint point;
  point.at = std::chrono::system_clock::time_point(milliseconds(line.at));
  for (std::size_t i = 0; i < places.size(); ++i) point.counters.*places[i] = line.counters[i];
  const MessageCounters& all = point.counters;
  // By the books: what was enqueued and is nowhere else.
  point.processing = all.produced + all.requeued - all.completed - all.cancelled -
                     line.counters[discarded] - all.dead - line.waiting - line.delayed;
  point.processing = std::max<std::int64_t>(0, point.processing);  // cancelled ones may wait still
  point.counters.dropped += line.counters[discarded];              // as metrics tell it
  point.pending = line.waiting;
  point.delayed = line.delayed;
  point.dead_letters = line.dead_letters;
  point.consumers = line.consumers;
  point.oldest = milliseconds(line.oldest);
  return point;
}

Task<TopicHistory> read_all(std::shared_ptr<detail::QueueCore> core, std::string topic,
                            milliseconds range) {
  using Lines = std::vector<broker::SnapshotLine>;
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  const queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
  const bool minutes = range <= std::chrono::minutes(broker::history_entries_1m);
  const auto step = minutes ? broker::HistoryStep::minute : broker::HistoryStep::ten_minutes;
  queue::WholeTopic::Call<Lines> read = [step, deadline](queue::WholeTopic::Part& part) {
    return broker::read_history(part.broker, step, deadline);
  };
  const auto ends = co_await queue::WholeTopic::everywhere<Lines>(whole, std::move(read));
  if (ends.error) std::rethrow_exception(ends.error);
  std::vector<Lines> parts;
  for (const auto& each : ends.results) parts.push_back(*each);
  const std::int64_t now = whole->part(0).broker.clock().at_ms(core->loop().now());
  TopicHistory history;
  history.step = minutes ? std::chrono::minutes(1) : std::chrono::minutes(10);
  for (const auto& line :
       broker::merge_histories(parts, now - range.count(), now, history.step.count()))
    history.points.push_back(point_of(line));
  co_return history;
}

}  // namespace

namespace queue {

Task<> note_history(Access* access, std::string topic) {
  const Whole whole = co_await WholeTopic::find(access, std::move(topic));
  const auto deadline =
      access->client()->loop().now() + runtime::Duration(access->config().command_timeout);
  WholeTopic::Call<std::int64_t> note = [deadline](WholeTopic::Part& part) -> Task<std::int64_t> {
    return write_snapshot(&part.broker, deadline);
  };
  co_await WholeTopic::sum(whole, std::move(note));
}

Task<std::int64_t> write_snapshot(broker::TopicBroker* broker, runtime::TimePoint deadline) {
  const broker::Snapshot::Reply reply = co_await broker->call<broker::Snapshot>(deadline);
  co_return reply.written;
}

}  // namespace queue

namespace {

Task<> note_now(std::shared_ptr<detail::QueueCore> core, std::string topic) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  co_await queue::note_history(&core->access(), std::move(topic));
}

}  // namespace

Task<TopicHistory> Admin::history(std::string topic, milliseconds range) {
  api::validate_topic(topic);
  const auto longest = std::chrono::minutes(10) * broker::history_entries_10m;
  if (range.count() <= 0 || range > longest)
    throw std::invalid_argument("range: more than 0 and at most 7 days");
  return read_all(core_, std::move(topic), range);
}

Task<> Admin::note_history(std::string topic) {
  api::validate_topic(topic);
  return note_now(core_, std::move(topic));
}

}  // namespace mx_rmq

#include "broker/dead_letter_store.hpp"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "broker/data/envelope.hpp"
#include "broker/scripts/fields.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "redis/wire/call_end.hpp"

namespace mx_rmq::broker {

namespace {

constexpr int step = 500;
constexpr std::size_t step_bytes = std::size_t{4} << 20;
// Of those that are only looked at: tools look at many, and must not delay others.
constexpr int list_step = 200;
constexpr std::size_t list_bytes = std::size_t{512} << 10;

}  // namespace

DeadLetterRecord read_dead_letter(StoredDeadLetter stored) {
  DeadLetterRecord out;
  out.member = std::move(stored.member);
  out.dead_at = stored.dead_at;
  const std::size_t end = stored.value.find('\n');
  const std::string_view line = std::string_view(stored.value).substr(0, end);
  const std::size_t tab = line.find('\t');
  out.reason = line.substr(0, tab);
  std::optional<History> history;
  if (tab != std::string_view::npos) history = parse_history(line.substr(tab + 1));
  if (end != std::string::npos) out.envelope = stored.value.substr(end + 1);
  if (!history) {
    // A script that buries a message does not know its attempts: the envelope does.
    const auto view = parse_envelope(out.envelope);
    if (view) history = parse_history(view->history);
  }
  if (history) out.history = std::move(*history);
  return out;
}

Task<std::int64_t> DeadLetterStore::count() {
  redis::Command command = redis::Command::of("ZCARD", broker_->keys().dlq);
  const redis::Reply reply = co_await broker_->caller().plain(std::move(command), deadline());
  co_return reply.as_integer();
}

Task<std::vector<DeadLetterRecord>> DeadLetterStore::list(std::int64_t offset, std::int64_t count) {
  std::vector<DeadLetterRecord> out;
  DlqList::Args bounds;
  bounds.most = list_step;
  bounds.bytes = list_bytes;
  while (count > 0) {
    bounds.offset = offset;
    bounds.most = static_cast<int>(std::min<std::int64_t>(count, bounds.most));
    DlqList::Reply found = co_await page(&bounds);
    for (StoredDeadLetter& letter : found.letters) {
      out.push_back(read_dead_letter(std::move(letter)));
    }
    if (found.seen == 0) break;
    offset += found.seen;
    count -= found.seen;
  }
  co_return out;
}

Task<std::vector<std::int64_t>> DeadLetterStore::times(std::int64_t offset, std::int64_t count) {
  std::vector<std::int64_t> out;
  if (count == 0) co_return out;
  redis::Command command = redis::Command::of("ZREVRANGE", broker_->keys().dlq, offset,
                                              offset + count - 1, "WITHSCORES");
  redis::Reply reply = co_await broker_->caller().plain(std::move(command), deadline());
  Fields fields("ZREVRANGE", std::move(reply));
  while (fields.left() > 0) {
    static_cast<void>(fields.text());
    out.push_back(fields.score());
  }
  co_return out;
}

// A page without an answer may be more than Redis sends at once (client-output-buffer-limit): then
// half of it is asked for, and of the pages after it.
Task<DlqList::Reply> DeadLetterStore::page(DlqList::Args* bounds) {
  const TimePoint limit = deadline();
  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    DlqList::Reply found;
    redis::CallEnd end;
    try {
      found = co_await broker_->call<DlqList>(*bounds, limit);
    } catch (...) {
      end = redis::CallEnd::caught();
    }
    if (end.answered()) co_return found;
    const Duration wait = pauses.next();
    if (end.kind() != redis::CallEnd::Kind::no_reply || broker_->loop().now() + wait >= limit) {
      end.rethrow();
    }
    bounds->most = std::max(1, bounds->most / 2);
    bounds->bytes = std::max<std::size_t>(1, bounds->bytes / 2);
    co_await sleep_for(wait);
  }
}

Task<std::optional<DeadLetterRecord>> DeadLetterStore::get(std::string member) {
  const DlqGet::Args args{member};
  std::optional<StoredDeadLetter> stored = co_await broker_->call<DlqGet>(args, deadline());
  if (!stored) co_return std::nullopt;
  stored->member = std::move(member);
  co_return read_dead_letter(std::move(*stored));
}

Task<bool> DeadLetterStore::requeue(std::string member) {
  bool repeated = false;
  const Requeue::Args args{member};
  const Requeue::Reply out = co_await broker_->call<Requeue>(args, deadline(), &repeated);
  if (out.state == Requeue::State::none && repeated) {
    throw OutcomeUnknown(
        "requeue: the call was sent and no reply came; repeated, it found no such dead letter");
  }
  co_return out.state == Requeue::State::done;
}

Task<bool> DeadLetterStore::remove(std::string member) {
  bool repeated = false;
  const std::string_view one = member;
  const DlqRemove::Args args{{&one, 1}};
  const std::int64_t removed = co_await broker_->call<DlqRemove>(args, deadline(), &repeated);
  if (removed == 0 && repeated) {
    throw OutcomeUnknown(
        "remove: the call was sent and no reply came; repeated, it found no such dead letter");
  }
  co_return removed != 0;
}

template <class S>
Task<std::int64_t> DeadLetterStore::all() {
  std::int64_t done = 0;
  bool repeated = false;
  DlqStep::Args args;
  args.most = step;
  args.bytes = step_bytes;
  for (;;) {
    const DlqStep::Reply out = co_await broker_->call<S>(args, deadline(), &repeated);
    done += out.done;
    args.pass += out.passed;
    if (args.before == 0) args.before = out.now;
    if (!out.more) break;
  }
  if (repeated) {
    throw OutcomeUnknown(std::string(S::script.name) +
                         ": all was done, but the reply of a step was lost: more than the " +
                         std::to_string(done) + " dead letters counted went");
  }
  co_return done;
}

Task<std::int64_t> DeadLetterStore::requeue_all() { return all<RequeueAll>(); }
Task<std::int64_t> DeadLetterStore::purge() { return all<DlqPurge>(); }

}  // namespace mx_rmq::broker

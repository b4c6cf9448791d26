#include "mx_rmq/dead_letters.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "api/message_headers.hpp"
#include "api/payload.hpp"
#include "broker/data/envelope.hpp"
#include "broker/data/history.hpp"
#include "broker/describe.hpp"
#include "mx_rmq/detail/payload_decode_error.hpp"
#include "queue/core.hpp"
#include "queue/whole_dead_letters.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {
namespace {

using Core = std::shared_ptr<detail::QueueCore>;

void check_not_negative(const char* argument, std::int64_t value) {
  if (value < 0)
    throw std::invalid_argument(std::string(argument) + ": " + std::to_string(value) +
                                " is not allowed; 0 or more is");
}

// When the last run began of which is known.
std::optional<std::int64_t> last_began(const broker::History& history) {
  std::optional<std::int64_t> began = history.interrupted_run;
  if (!history.started_at.empty() && (!began || *began < history.started_at.back()))
    began = history.started_at.back();
  return began;
}

DeadLetter dead_letter_of(const std::string& topic, broker::DeadLetterRecord record) {
  DeadLetter letter;
  letter.reason = std::move(record.reason);
  letter.last_error = record.history.last_error.value_or("");
  letter.dead_at = record.dead_at;
  Message& message = letter.message;
  const auto view = broker::parse_envelope(record.envelope);
  MessageMeta& meta = message.meta;
  meta.max_retries = record.history.max_retries.value_or(-1);
  meta.retry_delays = std::move(record.history.retry_delays);
  meta.processing_started_at = last_began(record.history);
  if (view) {
    const std::optional<std::int32_t> failures = record.history.failures;
    broker::describe(message, *view, std::move(record.history));
    // The stored envelope is as it was before the attempt that failed last.
    meta.retry_count = failures.value_or(
        std::max(view->attempts, static_cast<std::int32_t>(meta.attempt_times.size())));
  } else {
    message.id = record.member;
  }
  message.topic = topic;
  meta.status = MessageStatus::dead_letter;
  meta.dead_letter_at = record.dead_at;
  meta.updated_at = record.dead_at;
  if (letter.reason == "decode") letter.raw = record.envelope;
  if (!view) return letter;
  if (letter.last_error.empty()) letter.last_error = broker::default_error(letter.reason, *view);
  if (!letter.last_error.empty()) meta.last_error = letter.last_error;
  try {
    message.headers = api::decode_headers(view->headers);
    message.payload = api::decode_payload(view->payload);
  } catch (const detail::PayloadDecodeError&) {
    message.payload = nullptr;  // `raw` has it
    letter.raw = record.envelope;
  }
  return letter;
}

// Each holds the core by itself: its handle may be gone before it is awaited.

using queue::Whole;
using queue::WholeTopic;

Task<std::int64_t> count_letters(Core core, std::string topic) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  WholeTopic::Call<std::int64_t> count = [](WholeTopic::Part& part) {
    return part.dead_letters.count();
  };
  co_return co_await WholeTopic::sum(std::move(whole), std::move(count));
}

Task<std::vector<DeadLetter>> list_letters(Core core, std::string topic, std::int64_t offset,
                                           std::int64_t most) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  const Whole whole = co_await WholeTopic::find(&core->access(), topic);
  auto records = co_await queue::list_dead_letters(whole, offset, most);
  std::vector<DeadLetter> letters;
  letters.reserve(records.size());
  for (auto& record : records) letters.push_back(dead_letter_of(topic, std::move(record)));
  co_return letters;
}

Task<std::optional<DeadLetter>> get_letter(Core core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  const Whole whole = co_await WholeTopic::find(&core->access(), topic);
  std::optional<broker::DeadLetterRecord> record;
  WholeTopic::Call<bool> get = [&record, &id](WholeTopic::Part& part) {
    return queue::find_dead_letter(&part, id, &record);
  };
  co_await WholeTopic::somewhere(whole, id, std::move(get));
  std::optional<DeadLetter> letter;
  if (record) letter = dead_letter_of(topic, std::move(*record));
  co_return letter;
}

Task<bool> requeue_letter(Core core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  WholeTopic::Call<bool> requeue = [&id](WholeTopic::Part& part) {
    return part.dead_letters.requeue(id);
  };
  co_return co_await WholeTopic::somewhere(std::move(whole), id, std::move(requeue));
}

Task<std::int64_t> requeue_letters(Core core, std::string topic) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  WholeTopic::Call<std::int64_t> requeue = [](WholeTopic::Part& part) {
    return part.dead_letters.requeue_all();
  };
  co_return co_await WholeTopic::sum(std::move(whole), std::move(requeue));
}

Task<bool> remove_letter(Core core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  WholeTopic::Call<bool> remove = [&id](WholeTopic::Part& part) {
    return part.dead_letters.remove(id);
  };
  co_return co_await WholeTopic::somewhere(std::move(whole), id, std::move(remove));
}

Task<std::int64_t> purge_letters(Core core, std::string topic) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  WholeTopic::Call<std::int64_t> purge = [](WholeTopic::Part& part) {
    return part.dead_letters.purge();
  };
  co_return co_await WholeTopic::sum(std::move(whole), std::move(purge));
}

}  // namespace

DeadLetter::DeadLetter() = default;

DeadLetterQueue::DeadLetterQueue(std::shared_ptr<detail::QueueCore> core) noexcept
    : core_(std::move(core)) {}

Task<std::int64_t> DeadLetterQueue::count(std::string topic) {
  api::validate_topic(topic);
  return count_letters(core_, std::move(topic));
}

Task<std::vector<DeadLetter>> DeadLetterQueue::list(std::string topic, std::int64_t offset,
                                                    std::int64_t count) {
  api::validate_topic(topic);
  check_not_negative("offset", offset);
  check_not_negative("count", count);
  return list_letters(core_, std::move(topic), offset, count);
}

Task<std::optional<DeadLetter>> DeadLetterQueue::get(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return get_letter(core_, std::move(topic), std::move(id));
}

Task<bool> DeadLetterQueue::requeue(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return requeue_letter(core_, std::move(topic), std::move(id));
}

Task<std::int64_t> DeadLetterQueue::requeue_all(std::string topic) {
  api::validate_topic(topic);
  return requeue_letters(core_, std::move(topic));
}

Task<bool> DeadLetterQueue::remove(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return remove_letter(core_, std::move(topic), std::move(id));
}

Task<std::int64_t> DeadLetterQueue::purge(std::string topic) {
  api::validate_topic(topic);
  return purge_letters(core_, std::move(topic));
}

}  // namespace mx_rmq

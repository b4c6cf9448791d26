#include "mx_rmq/dead_letters.hpp"

#include <stdexcept>
#include <utility>

#include "api/checks.hpp"
#include "api/keep_alive.hpp"

namespace mx_rmq {
namespace {

void check_not_negative(const char* argument, std::int64_t value) {
  if (value < 0)
    throw std::invalid_argument(std::string(argument) + ": " + std::to_string(value) +
                                " is not allowed; 0 or more is");
}

}  // namespace

DeadLetter::DeadLetter() = default;

namespace detail {
DeadLetterOps::~DeadLetterOps() = default;
}  // namespace detail

DeadLetterQueue::DeadLetterQueue(std::shared_ptr<detail::DeadLetterOps> ops)
    : ops_(std::move(ops)) {
  if (!ops_) throw std::invalid_argument("ops: it is null");
}

// Not coroutines: what is wrong with an argument is told at once.

Task<std::int64_t> DeadLetterQueue::count(std::string topic) {
  api::validate_topic(topic);
  return api::keep_alive(ops_, ops_->count(std::move(topic)));
}

Task<std::vector<DeadLetter>> DeadLetterQueue::list(std::string topic, std::int64_t offset,
                                                    std::int64_t count) {
  api::validate_topic(topic);
  check_not_negative("offset", offset);
  check_not_negative("count", count);
  return api::keep_alive(ops_, ops_->list(std::move(topic), offset, count));
}

Task<std::optional<DeadLetter>> DeadLetterQueue::get(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return api::keep_alive(ops_, ops_->get(std::move(topic), std::move(id)));
}

Task<bool> DeadLetterQueue::requeue(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return api::keep_alive(ops_, ops_->requeue(std::move(topic), std::move(id)));
}

Task<std::int64_t> DeadLetterQueue::requeue_all(std::string topic) {
  api::validate_topic(topic);
  return api::keep_alive(ops_, ops_->requeue_all(std::move(topic)));
}

Task<bool> DeadLetterQueue::remove(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  return api::keep_alive(ops_, ops_->remove(std::move(topic), std::move(id)));
}

Task<std::int64_t> DeadLetterQueue::purge(std::string topic) {
  api::validate_topic(topic);
  return api::keep_alive(ops_, ops_->purge(std::move(topic)));
}

}  // namespace mx_rmq

// Admin: changing messages.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "mx_rmq/admin.hpp"
#include "queue/core.hpp"
#include "queue/message_changes.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {
namespace {

using Core = std::shared_ptr<detail::QueueCore>;

constexpr std::size_t most_promoted = 1'000;

Task<std::vector<MessageChange>> promote_some(Core core, std::string topic,
                                              std::vector<std::string> ids) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  auto changes = co_await queue::promote_messages(std::move(whole), std::move(ids));
  co_return changes;
}

Task<MessageChange> alter_one(Core core, std::string topic, std::string id,
                              std::optional<std::int64_t> due,
                              std::optional<MessagePriority> priority) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  MessageChange change =
      co_await queue::alter_message(std::move(whole), std::move(id), due, priority);
  co_return change;
}

Task<MessageChange> move_one(Core core, std::string topic, std::string id, std::string to) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  MessageChange change =
      co_await queue::move_message(core, std::move(whole), std::move(id), std::move(to));
  co_return change;
}

Task<std::int64_t> purge_topic(Core core, std::string topic, MessageState state) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  co_return co_await queue::purge_messages(std::move(whole), state);
}

}  // namespace

Task<std::vector<MessageChange>> Admin::promote(std::string topic, std::vector<std::string> ids) {
  api::validate_topic(topic);
  if (ids.empty() || ids.size() > most_promoted)
    throw std::invalid_argument("ids: " + std::to_string(ids.size()) +
                                " of them are not allowed; 1 to 1000 are");
  for (const std::string& id : ids) api::validate_message_id(id);
  return promote_some(core_, std::move(topic), std::move(ids));
}

Task<MessageChange> Admin::reschedule(std::string topic, std::string id,
                                      std::chrono::system_clock::time_point at) {
  api::validate_topic(topic);
  api::validate_message_id(id);
  api::validate_produce_options(ProduceOptions().at(at));
  const auto due = std::chrono::ceil<std::chrono::milliseconds>(at.time_since_epoch());
  return alter_one(core_, std::move(topic), std::move(id), std::max<std::int64_t>(0, due.count()),
                   std::nullopt);
}

Task<MessageChange> Admin::reprioritise(std::string topic, std::string id,
                                        MessagePriority priority) {
  api::validate_topic(topic);
  api::validate_message_id(id);
  return alter_one(core_, std::move(topic), std::move(id), std::nullopt, priority);
}

Task<MessageChange> Admin::move(std::string topic, std::string id, std::string to) {
  api::validate_topic(topic);
  api::validate_topic(to);
  api::validate_message_id(id);
  if (topic == to) throw std::invalid_argument("to: it is the topic that it is to come from");
  return move_one(core_, std::move(topic), std::move(id), std::move(to));
}

Task<std::int64_t> Admin::purge(std::string topic, MessageState state) {
  api::validate_topic(topic);
  if (state == MessageState::held)
    throw std::invalid_argument("state: what workers hold cannot be purged");
  return purge_topic(core_, std::move(topic), state);
}

}  // namespace mx_rmq

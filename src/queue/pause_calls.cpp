// Admin::pause and resume, and RedisMessageQueue::interrupt.
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "broker/data/random_id.hpp"
#include "broker/scripts/calls_settings.hpp"
#include "mx_rmq/admin.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/queue.hpp"
#include "queue/ask.hpp"
#include "queue/core.hpp"
#include "queue/pause_calls.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {

Paused::Paused() = default;

namespace {

using broker::Question;
using queue::Whole;
using queue::WholeTopic;
using runtime::Duration;
using runtime::TimePoint;

// Settings that a partition has and its topic has not (of a version that a failover has lost) are
// outdone by newer ones; once does.
constexpr int most_tries = 3;

// The version that is there then. `broker` and `settings` outlive it.
Task<std::int64_t> copy_to(broker::TopicBroker* broker, const broker::StoredSettings* settings,
                           TimePoint deadline) {
  broker::CopySettings::Args args;
  args.settings = *settings;
  const broker::CopySettings::Reply reply =
      co_await broker->call<broker::CopySettings>(args, deadline);
  co_return reply.version;
}

// To all partitions but the first, which has them. False: one has a later version.
Task<bool> copy_to_all(Whole whole, TimePoint deadline) {
  const broker::StoredSettings& settings = whole->settings();
  WholeTopic::Call<std::int64_t> copy = [&settings, deadline](WholeTopic::Part& part) {
    return copy_to(&part.broker, &settings, deadline);
  };
  std::vector<std::size_t> where;
  for (std::size_t i = 1; i < whole->size(); ++i) where.push_back(i);
  const auto ends = co_await WholeTopic::at<std::int64_t>(whole, std::move(where), std::move(copy));
  if (ends.error) std::rethrow_exception(ends.error);
  for (const auto& version : ends.results) {
    if (version && *version > settings.version) co_return false;
  }
  co_return true;
}

// In the settings of the topic. A copy of the call that comes late, when they have changed, changes
// nothing. `core` and `topic` outlive it.
Task<broker::StoredSettings> set_in_settings(detail::QueueCore* core, const std::string* topic,
                                             std::int64_t until, bool touch, TimePoint deadline) {
  const queue::TopicPorts::Use port = core->access().port(*topic);
  for (int tries = 1;; ++tries) {
    broker::StoredSettings stored = co_await port->settings.read(deadline);
    if (stored.paused_until == until && !touch) co_return stored;
    broker::Configure::Args args;
    args.only_version = stored.version;
    args.touch = touch;
    args.paused_until = until;
    std::exception_ptr error;
    try {
      stored = co_await port->settings.change(args, deadline);
    } catch (const ServerError&) {
      error = std::current_exception();  // somebody else was quicker, or an earlier copy
    }
    if (!error) co_return stored;
    if (tries == most_tries) std::rethrow_exception(error);
    touch = false;  // there is another version now
  }
}

// At all partitions; the topic, with the settings that say so.
Task<Whole> set_pause(detail::QueueCore* core, std::string topic, std::int64_t until) {
  const TimePoint deadline = core->loop().now() + 2 * Duration(core->config().command_timeout);
  for (int tries = 1;; ++tries) {
    broker::StoredSettings stored =
        co_await set_in_settings(core, &topic, until, tries > 1, deadline);
    auto whole = std::make_shared<WholeTopic>(*core->access().client(), core->config(), topic,
                                              std::move(stored));
    const bool everywhere = co_await copy_to_all(whole, deadline);
    if (everywhere) co_return whole;
    if (tries == most_tries) {
      throw ServerError(
          "SETTINGS", "settings of topic " + topic + ": somebody else changes them all the while");
    }
  }
}

Task<std::int64_t> server_time(detail::QueueCore* core, std::string topic) {
  const queue::TopicPorts::Use port = core->access().port(topic);
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  co_await port->settings.read(deadline);
  co_return port->broker.clock().now_ms();
}

Question new_question(detail::QueueCore& core, Question::Kind kind) {
  Question question;
  question.kind = kind;
  question.token = broker::random_id(core.access().client()->rng());
  return question;
}

}  // namespace

namespace queue {

Task<Paused> pause(std::shared_ptr<detail::QueueCore> core, std::string topic,
                   std::optional<std::chrono::milliseconds> duration) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  std::int64_t until = broker::paused_for_ever;
  if (duration) {
    const std::int64_t now = co_await server_time(&*core, topic);
    until = now + duration->count();
  }
  const Whole whole = co_await set_pause(&*core, topic, until);
  {
    const TopicPorts::Use port = core->access().port(topic);
    core->access().note(topic, *port);  // tools are to see it
  }
  Question question = new_question(*core, Question::Kind::paused);
  question.version = whole->settings().version;
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  const Answers answers = co_await ask_all(whole, std::move(question), Enough::all, deadline);
  Paused out;
  out.unanswered = answers.silent;
  co_return out;
}

Task<> resume(std::shared_ptr<detail::QueueCore> core, std::string topic) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  co_await set_pause(&*core, std::move(topic), 0);
}

Task<bool> interrupt(std::shared_ptr<detail::QueueCore> core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  const Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  Question question = new_question(*core, Question::Kind::interrupt);
  question.id = std::move(id);
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  const Answers answers = co_await ask_all(whole, std::move(question), Enough::one_yes, deadline);
  if (answers.yes == 0 && answers.silent > 0) {
    throw TimeoutError("interrupt: " + std::to_string(answers.silent) +
                       " consumers have not said whether they run the message, and no other does");
  }
  co_return answers.yes > 0;
}

}  // namespace queue

Task<Paused> Admin::pause(std::string topic, std::optional<std::chrono::milliseconds> duration) {
  api::validate_topic(topic);
  if (duration) api::validate_pause(*duration);
  return queue::pause(core_, std::move(topic), duration);
}

Task<> Admin::resume(std::string topic) {
  api::validate_topic(topic);
  return queue::resume(core_, std::move(topic));
}

Task<bool> RedisMessageQueue::interrupt(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_message_id(id);
  return queue::interrupt(core_, std::move(topic), std::move(id));
}

}  // namespace mx_rmq

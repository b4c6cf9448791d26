#include "broker/settings_watch.hpp"

#include <string>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"

namespace mx_rmq::broker {

namespace {

// A version that reading does not explain is not asked about again before.
constexpr Duration read_again_after = std::chrono::seconds(1);

ServerError refused_settings(const std::string& text) { return {"SETTINGS", text}; }

ServerError unreadable(const std::string& topic, const std::string& field) {
  return refused_settings("settings of topic " + topic + ": '" + field +
                          "' in Redis is not what this library writes, so nothing is read or "
                          "changed; correct or delete the key that ends in :settings");
}

ServerError not_allowed(const std::string& topic, const Configure::Reply& reply,
                        const Configure::Args& args) {
  const StoredSettings& is = reply.settings;
  if (reply.field == "partitions" && args.partitions) {
    return refused_settings(
        "partitions: topic " + topic + " has " + std::to_string(is.partitions) + ", and " +
        std::to_string(*args.partitions) +
        " would be fewer; none can be taken away, as messages may wait in it. Leave the number as "
        "it is, or move to a new topic and let this one run empty");
  }
  return refused_settings("settings of topic " + topic + ": " + reply.field +
                          " cannot become what was asked for; there are " +
                          std::to_string(is.partitions) + " partitions, " +
                          std::to_string(is.active) + " of them active, " +
                          std::to_string(is.ids_active) + " for ids");
}

}  // namespace

struct SettingsWatch::State {
  State(runtime::Scope& task_scope, ScriptCaller script_caller, TopicKeys topic_keys,
        std::chrono::milliseconds time)
      : scope(task_scope), caller(script_caller), keys(std::move(topic_keys)), timeout(time) {}

  // What the question of that number was answered. An answer to an earlier one may come later.
  void learn(std::uint64_t question, const StoredSettings& settings) {
    if (question < answered) return;
    if (MX_RMQ_PLANTED("keeps_older_settings") && known.version != 0) return;
    answered = question;
    if (settings == known) return;
    known = settings;
    if (changed) changed(known);
  }

  runtime::Scope& scope;
  const ScriptCaller caller;
  const TopicKeys keys;
  const std::chrono::milliseconds timeout;
  Changed changed;
  StoredSettings known;
  std::uint64_t asked = 0;     // questions
  std::uint64_t answered = 0;  // the latest of them
  bool following = false;
  TimePoint follow_from{};
  runtime::log::Every failure_gate{std::chrono::seconds(10)};
};

SettingsWatch::SettingsWatch(runtime::Scope& scope, ScriptCaller caller, TopicKeys keys,
                             std::chrono::milliseconds timeout)
    : state_(std::make_shared<State>(scope, caller, std::move(keys), timeout)) {}

SettingsWatch::~SettingsWatch() { state_->changed = nullptr; }

void SettingsWatch::on_change(Changed changed) { state_->changed = std::move(changed); }

const StoredSettings& SettingsWatch::known() const noexcept { return state_->known; }

Task<StoredSettings> SettingsWatch::read(TimePoint deadline) { return read_now(state_, deadline); }

Task<StoredSettings> SettingsWatch::change(Configure::Args args, TimePoint deadline) {
  return change_now(state_, args, deadline);
}

Task<StoredSettings> SettingsWatch::read_now(std::shared_ptr<State> state, TimePoint deadline) {
  const std::uint64_t question = ++state->asked;
  const Settings::Args nothing;
  const Settings::Reply reply =
      co_await state->caller.call<Settings>(state->keys, nothing, deadline);
  if (!reply.unreadable.empty()) throw unreadable(state->keys.topic(), reply.unreadable);
  state->learn(question, reply.settings);
  co_return reply.settings;
}

Task<StoredSettings> SettingsWatch::change_now(std::shared_ptr<State> state, Configure::Args args,
                                               TimePoint deadline) {
  const std::uint64_t question = ++state->asked;
  const Configure::Reply reply =
      co_await state->caller.call<Configure>(state->keys, args, deadline);
  if (reply.state == Configure::State::unreadable) {
    throw unreadable(state->keys.topic(), reply.field);
  }
  state->learn(question, reply.settings);
  if (reply.state == Configure::State::refused) {
    throw not_allowed(state->keys.topic(), reply, args);
  }
  if (reply.state == Configure::State::other) {
    throw refused_settings("settings of topic " + state->keys.topic() +
                           ": somebody else has changed them meanwhile");
  }
  co_return reply.settings;
}

void SettingsWatch::read_soon(std::int64_t /*version*/) {
  runtime::EventLoop& loop = state_->caller.loop();
  if (state_->following || loop.stopping() || loop.now() < state_->follow_from) return;
  try {
    state_->scope.spawn(follow(state_));
  } catch (const ShutdownError&) {
    return;  // whoever owns it ends
  }
  state_->following = true;
}

Task<> SettingsWatch::follow(std::shared_ptr<State> state) {
  redis::CallEnd end;
  const std::int64_t before = state->known.version;
  try {
    co_await read_now(state, state->caller.loop().now() + Duration(state->timeout));
  } catch (...) {
    end = redis::CallEnd::caught();
  }
  state->following = false;
  if (!end.answered() || state->known.version == before) {
    state->follow_from = state->caller.loop().now() + read_again_after;
  }
  if (end.answered() || end.kind() == redis::CallEnd::Kind::shut_down) co_return;
  runtime::log::warn(state->failure_gate,
                     "the settings of a topic were changed and cannot be read; it goes on with the "
                     "last ones",
                     "topic", state->keys.topic(), "error", end.what());
}

}  // namespace mx_rmq::broker

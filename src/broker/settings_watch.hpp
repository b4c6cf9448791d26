#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "broker/data/keys.hpp"
#include "broker/data/stored_settings.hpp"
#include "broker/scripts/calls_settings.hpp"
#include "broker/scripts/script_caller.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::broker {

/// What is set for one topic: reads and changes it at Redis, and follows what others change. Costs
/// nothing until somebody asks, or a reply tells of a version that is not known. Loop thread only;
/// what is under way may outlive it. Errors of its tasks: see ScriptCaller; ServerError with the
/// code "SETTINGS" for what cannot be read, and for a change that the present settings do not
/// allow.
class SettingsWatch {
 public:
  using Changed = std::function<void(const StoredSettings&)>;

  /// `scope` runs its reading, each attempt within `timeout`; it and the route must outlive that.
  SettingsWatch(runtime::Scope& scope, ScriptCaller caller, TopicKeys keys,
                std::chrono::milliseconds timeout);
  ~SettingsWatch();
  SettingsWatch(const SettingsWatch&) = delete;
  SettingsWatch& operator=(const SettingsWatch&) = delete;

  /// Called after each change that becomes known, until this is destroyed.
  void on_change(Changed changed);

  /// The last that was heard; version 0 with the defaults, if nothing was.
  [[nodiscard]] const StoredSettings& known() const noexcept;
  /// A reply told this version (0 = nothing is set, below 0 = it cannot be read). Another one than
  /// the known one: the rest is read, by and by; at most once a second if that does not explain it.
  void seen(std::int64_t version) {
    if (version != known().version) read_soon(version);
  }

  /// Reads them now.
  Task<StoredSettings> read(TimePoint deadline);
  /// Changes some, and gives them all as they are then. OutcomeUnknown: it may have been done.
  Task<StoredSettings> change(Configure::Args args, TimePoint deadline);

 private:
  struct State;

  void read_soon(std::int64_t version);
  static Task<StoredSettings> read_now(std::shared_ptr<State> state, TimePoint deadline);
  static Task<StoredSettings> change_now(std::shared_ptr<State> state, Configure::Args args,
                                         TimePoint deadline);
  static Task<> follow(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // what is under way holds it too
};

}  // namespace mx_rmq::broker

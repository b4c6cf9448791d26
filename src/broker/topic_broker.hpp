#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "mx_rmq/task.hpp"

#include "broker/data/keys.hpp"
#include "broker/scripts/calls_claim.hpp"
#include "broker/scripts/calls_forget.hpp"
#include "broker/scripts/calls_reap.hpp"
#include "broker/scripts/calls_settle.hpp"
#include "broker/scripts/calls_tend.hpp"
#include "broker/scripts/script_caller.hpp"

namespace mx_rmq::broker {

/// One topic over one route: its keys, and the calls of its scripts. Loop thread only; tasks resume
/// there. The route must outlive it, and it must outlive its tasks.
///
/// A call is sent when its task is awaited; calls whose awaiting began in one order are executed in
/// that order as long as none is re-sent.
class TopicBroker {
 public:
  TopicBroker(redis::Route& route, TopicKeys keys) : keys_(std::move(keys)), caller_(route) {}
  TopicBroker(const TopicBroker&) = delete;
  TopicBroker& operator=(const TopicBroker&) = delete;

  /// `call<Claim>(args, deadline)`: see ScriptCaller::call. With `only_epoch` nothing overtakes the
  /// tend that a new connection begins with, and Resend::until_deadline sends no copy over another
  /// connection.
  template <class S>
  Task<typename S::Reply> call(const typename S::Args& args, TimePoint deadline,
                               Resend resend = S::resend, std::uint64_t only_epoch = 0) const {
    return caller_.call<S>(keys_, args, deadline, resend, only_epoch);
  }
  template <class S>
  Task<typename S::Reply> call(const typename S::Args& args, TimePoint deadline,
                               bool* repeated) const {
    return caller_.call<S>(keys_, args, deadline, repeated);
  }

  /// The same for a script that is told nothing.
  template <class S>
    requires std::is_empty_v<typename S::Args>
  Task<typename S::Reply> call(TimePoint deadline, Resend resend = S::resend) const {
    return caller_.call<S>(keys_, {}, deadline, resend);
  }

  [[nodiscard]] const TopicKeys& keys() const noexcept { return keys_; }
  [[nodiscard]] const ScriptCaller& caller() const noexcept { return caller_; }
  [[nodiscard]] redis::Route& route() const noexcept { return caller_.route(); }
  [[nodiscard]] redis::ServerClock& clock() const noexcept { return caller_.clock(); }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept { return caller_.loop(); }

 private:
  const TopicKeys keys_;
  const ScriptCaller caller_;
};

}  // namespace mx_rmq::broker

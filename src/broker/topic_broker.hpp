#pragma once

#include <cstdint>
#include <memory>

#include "mx_rmq/task.hpp"

#include "broker/data/keys.hpp"
#include "broker/scripts/calls_claim.hpp"
#include "broker/scripts/calls_forget.hpp"
#include "broker/scripts/calls_reap.hpp"
#include "broker/scripts/calls_settle.hpp"
#include "broker/scripts/calls_tend.hpp"
#include "broker/scripts/script_caller.hpp"

namespace mx_rmq::broker {

/// One topic on one lane: each script as a typed call. Loop thread only; tasks resume there. The loop,
/// lane and clock must outlive it, and it must outlive its tasks.
///
/// Arguments are turned into bytes by the call itself, before it returns the task: what their views and
/// spans refer to need not live longer. A call is sent when its task is awaited; calls whose awaiting
/// began in one order are executed in that order as long as none is re-sent.
///
/// Errors: see ScriptCaller. `only_epoch`, if not 0: ConnectionError unless the call is written to the
/// lane's connection of that epoch (so that nothing overtakes the tend that a new connection begins with);
/// with it, Resend::until_deadline sends no copy over another connection.
class TopicBroker {
 public:
  TopicBroker(runtime::EventLoop& loop, redis::Lane& lane, redis::ServerClock& clock,
              TopicKeys keys);
  TopicBroker(const TopicBroker&) = delete;
  TopicBroker& operator=(const TopicBroker&) = delete;

  // --- never sent twice: after OutcomeUnknown tend gives back what the call may have taken ---

  Task<ClaimResult> claim(const ClaimArgs& args, TimePoint deadline, std::uint64_t only_epoch = 0);
  Task<SuspectResult> suspect(const SuspectArgs& args, TimePoint deadline,
                              std::uint64_t only_epoch = 0);

  // --- may be sent twice ---

  Task<SettleResult> ack(const AckArgs& args, TimePoint deadline, Resend resend = Resend::never,
                         std::uint64_t only_epoch = 0);
  Task<SettleResult> retry(const RetryArgs& args, TimePoint deadline, Resend resend = Resend::never,
                           std::uint64_t only_epoch = 0);
  Task<DeadResult> dead(const DeadArgs& args, TimePoint deadline, Resend resend = Resend::never,
                        std::uint64_t only_epoch = 0);
  Task<SettleResult> release(const ReleaseArgs& args, TimePoint deadline,
                             Resend resend = Resend::never, std::uint64_t only_epoch = 0);

  Task<TendResult> tend(const TendArgs& args, TimePoint deadline, Resend resend = Resend::never,
                        std::uint64_t only_epoch = 0);
  /// How many messages the consumer still holds; if any, its entry stayed.
  Task<std::int64_t> leave(const LeaveArgs& args, TimePoint deadline,
                           Resend resend = Resend::until_deadline);
  Task<> arm(TimePoint deadline, Resend resend = Resend::until_deadline);

  Task<ReapResult> reap(const ReapArgs& args, TimePoint deadline, Resend resend = Resend::never);
  Task<SweepResult> sweep(const SweepArgs& args, TimePoint deadline, Resend resend = Resend::never);

  /// Removes what is left of a topic that is empty.
  Task<ForgetResult> forget(TimePoint deadline, Resend resend = Resend::until_deadline);

  [[nodiscard]] const TopicKeys& keys() const noexcept { return keys_; }
  [[nodiscard]] const ScriptCaller& caller() const noexcept { return caller_; }
  [[nodiscard]] redis::Lane& lane() const noexcept { return caller_.lane(); }
  [[nodiscard]] redis::ServerClock& clock() const noexcept { return caller_.clock(); }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept { return caller_.loop(); }

 private:
  const TopicKeys keys_;
  const ScriptCaller caller_;
};

}  // namespace mx_rmq::broker

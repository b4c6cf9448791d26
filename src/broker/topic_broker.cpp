#include "broker/topic_broker.hpp"

#include <utility>

#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

namespace {

// A reply without anything in it, so that every call has a value.
struct Done {};

Done read_armed(redis::Reply&& reply) {
  read_arm(std::move(reply));
  return {};
}

Task<> drop(Task<Done> task) { co_await std::move(task); }

}  // namespace

TopicBroker::TopicBroker(runtime::EventLoop& loop, redis::Lane& lane, redis::ServerClock& clock,
                         TopicKeys keys)
    : keys_(std::move(keys)), caller_(loop, lane, clock) {}

Task<ClaimResult> TopicBroker::claim(const ClaimArgs& args, TimePoint deadline,
                                     std::uint64_t only_epoch) {
  return caller_.call(lua::claim, make_claim(keys_, args), read_claim, deadline, Resend::never,
                      only_epoch);
}

Task<SuspectResult> TopicBroker::suspect(const SuspectArgs& args, TimePoint deadline,
                                         std::uint64_t only_epoch) {
  return caller_.call(lua::suspect, make_suspect(keys_, args), read_suspect, deadline,
                      Resend::never, only_epoch);
}

Task<SettleResult> TopicBroker::ack(const AckArgs& args, TimePoint deadline, Resend resend,
                                    std::uint64_t only_epoch) {
  return caller_.call(lua::ack, make_ack(keys_, args), read_ack, deadline, resend, only_epoch);
}

Task<SettleResult> TopicBroker::retry(const RetryArgs& args, TimePoint deadline, Resend resend,
                                      std::uint64_t only_epoch) {
  return caller_.call(lua::retry, make_retry(keys_, args), read_retry, deadline, resend,
                      only_epoch);
}

Task<DeadResult> TopicBroker::dead(const DeadArgs& args, TimePoint deadline, Resend resend,
                                   std::uint64_t only_epoch) {
  return caller_.call(lua::dead, make_dead(keys_, args), read_dead, deadline, resend, only_epoch);
}

Task<SettleResult> TopicBroker::release(const ReleaseArgs& args, TimePoint deadline, Resend resend,
                                        std::uint64_t only_epoch) {
  return caller_.call(lua::release, make_release(keys_, args), read_release, deadline, resend,
                      only_epoch);
}

Task<TendResult> TopicBroker::tend(const TendArgs& args, TimePoint deadline, Resend resend,
                                   std::uint64_t only_epoch) {
  return caller_.call(lua::tend, make_tend(keys_, args), read_tend, deadline, resend, only_epoch);
}

Task<std::int64_t> TopicBroker::leave(const LeaveArgs& args, TimePoint deadline, Resend resend) {
  return caller_.call(lua::leave, make_leave(keys_, args), read_leave, deadline, resend);
}

Task<> TopicBroker::arm(TimePoint deadline, Resend resend) {
  return drop(caller_.call(lua::arm, make_arm(keys_), read_armed, deadline, resend));
}

Task<ReapResult> TopicBroker::reap(const ReapArgs& args, TimePoint deadline, Resend resend) {
  return caller_.call(lua::reap, make_reap(keys_, args), read_reap, deadline, resend);
}

Task<ForgetResult> TopicBroker::forget(TimePoint deadline, Resend resend) {
  return caller_.call(lua::forget, make_forget(keys_), read_forget, deadline, resend);
}

Task<SweepResult> TopicBroker::sweep(const SweepArgs& args, TimePoint deadline, Resend resend) {
  return caller_.call(lua::sweep, make_sweep(keys_, args), read_sweep, deadline, resend);
}

}  // namespace mx_rmq::broker

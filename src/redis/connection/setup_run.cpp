#include "redis/connection/setup_run.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace mx_rmq::redis {

// The last step asks for the role once more, and only where it was not told.
std::size_t SetupRun::steps() const noexcept {
  const bool ends_with_it =
      !plan_->empty() && plan_->back().kind == SetupStep::Kind::replication_info;
  return plan_->size() - (ends_with_it && role_refusals_ == 0 ? 1 : 0);
}

std::size_t SetupRun::sendable() const noexcept {
  if (!careful_) return steps();
  const auto role = std::ranges::find(*plan_, SetupStep::Kind::role, &SetupStep::kind);
  if (role == plan_->end()) return steps();
  const auto with_it = static_cast<std::size_t>(role - plan_->begin()) + 1;
  return answered_ < with_it ? with_it : steps();
}

std::size_t SetupRun::gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                             std::size_t max_bytes) const {
  std::size_t bytes = 0;
  for (std::size_t i = written_; i < sendable(); ++i) {
    const Command& command = (*plan_)[i].command;
    buffers.push_back(command.bytes());
    bytes += command.size();
    if (--max_buffers == 0 || bytes >= max_bytes) break;
  }
  return skip_;
}

void SetupRun::on_written(std::size_t bytes) {
  bytes += skip_;
  while (wants_write() && bytes >= (*plan_)[written_].command.size()) {
    bytes -= (*plan_)[written_].command.size();
    ++written_;
  }
  skip_ = bytes;
  assert((skip_ == 0 || wants_write()) && "no more is written than there was");
}

SetupVerdict SetupRun::on_reply(const Reply& reply, Actions& out) {
  assert(!done() && "a set-up that is done takes no reply");
  using Kind = SetupVerdict::Kind;
  const SetupStep& step = (*plan_)[answered_];
  SetupVerdict verdict = judge_setup_reply(step, reply);
  // A server that is full says so, and closes, before it has read anything: not garbage.
  if (verdict.kind == Kind::go_on && answered_ >= written_) {
    verdict.kind = Kind::garbage;
    verdict.text = "an answer to what was not sent: " + reply.describe();
  }
  if (step.kind == SetupStep::Kind::auth && verdict.kind == Kind::refuse) {
    auth_refused_ = std::move(verdict);
    ++answered_;
    return {};
  }
  if (auth_refused_ && verdict.kind != Kind::sentinel) return *take_auth_refusal();
  if (verdict.kind != Kind::go_on) return verdict;
  if (verdict.role_refused) ++role_refusals_;
  if (step.kind == SetupStep::Kind::time) {
    out.push_back({.kind = Action::Kind::server_time, .number = verdict.number});
  } else if (step.kind == SetupStep::Kind::client_id) {
    out.push_back({.kind = Action::Kind::client_id, .number = verdict.number});
  }
  ++answered_;
  return verdict;
}

}  // namespace mx_rmq::redis

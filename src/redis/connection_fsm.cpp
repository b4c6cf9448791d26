#include "redis/connection_fsm.hpp"

#include <algorithm>
#include <utility>

// Connecting, set-up and timers. How it ends: connection_end.cpp. Commands: connection_queue.cpp.
namespace mx_rmq::redis {

namespace {

std::string in_ms(std::chrono::milliseconds span) { return std::to_string(span.count()) + " ms"; }

}  // namespace

std::string_view name(LaneState state) noexcept {
  switch (state) {
    case LaneState::idle:
      return "idle";
    case LaneState::resolving:
      return "resolving";
    case LaneState::connecting:
      return "connecting";
    case LaneState::setting_up:
      return "setting_up";
    case LaneState::ready:
      return "ready";
    case LaneState::backing_off:
      return "backing_off";
    case LaneState::refused:
      return "refused";
    case LaneState::draining:
      return "draining";
    case LaneState::closed:
      return "closed";
  }
  return "?";
}

ConnectionFsm::ConnectionFsm(ConnectionOptions options, std::optional<Address> local,
                             std::shared_ptr<const SetupPlan> plan, Rng& rng)
    : options_(std::move(options)),
      local_(std::move(local)),
      plan_(std::move(plan)),
      rng_(rng),
      backoff_(options_.backoff_min, options_.backoff_max) {}

void ConnectionFsm::start(TimePoint now, Actions& out) {
  if (state_ == LaneState::idle) begin_attempt(now, out);
}

void ConnectionFsm::begin_attempt(TimePoint now, Actions& out) {
  ++attempt_;
  attempt_deadline_ = now + options_.connect_timeout;
  if (local_) {
    addresses_.assign(1, *local_);
    address_ = 0;
    connect_next(now, out);
    return;
  }
  state_ = LaneState::resolving;
  out.push_back({.kind = Action::Kind::resolve, .number = attempt_});
}

void ConnectionFsm::on_resolved(TimePoint now, std::int64_t attempt, Resolver::Result result,
                                Actions& out) {
  if (state_ != LaneState::resolving || attempt != attempt_) return;
  if (result.addresses.empty()) {
    attempt_failed(now, "cannot resolve the host: " + result.error, out);
    return;
  }
  addresses_ = std::move(result.addresses);
  // After one that connected but did not get through its set-up, another one gets its chance.
  std::rotate(addresses_.begin(),
              addresses_.begin() + static_cast<std::ptrdiff_t>(first_address_ % addresses_.size()),
              addresses_.end());
  address_ = 0;
  connect_next(now, out);
}

void ConnectionFsm::connect_next(TimePoint now, Actions& out) {
  state_ = LaneState::connecting;
  const auto left = std::max(attempt_deadline_ - now, runtime::Duration::zero());
  address_deadline_ = now + left / static_cast<std::int64_t>(addresses_.size() - address_);
  out.push_back({.kind = Action::Kind::connect, .address = addresses_[address_]});
}

void ConnectionFsm::on_connected(TimePoint now, Actions&) {
  if (state_ != LaneState::connecting) return;
  state_ = LaneState::setting_up;
  attempt_deadline_ = now + options_.connect_timeout;
  setup_written_ = 0;
  setup_answered_ = 0;
  skip_ = 0;
}

void ConnectionFsm::on_setup_reply(TimePoint now, const Reply& reply, Actions& out) {
  const SetupStep& step = (*plan_)[setup_answered_];
  SetupVerdict verdict = judge_setup_reply(step, reply);
  using Verdict = SetupVerdict::Kind;
  // A server that is full says so, and closes, before it has read anything: not garbage.
  if (verdict.kind == Verdict::go_on && setup_answered_ >= setup_written_) {
    verdict.kind = Verdict::garbage;
    verdict.text = "an answer to what was not sent: " + reply.describe();
  }
  switch (verdict.kind) {
    case Verdict::refuse:
      setup_refused(now, std::move(verdict.code), std::move(verdict.text), out);
      return;
    case Verdict::try_later:
    case Verdict::garbage:
      ++first_address_;
      attempt_failed(now, std::move(verdict.text), out);
      return;
    case Verdict::go_on:
      break;
  }
  if (step.kind == SetupStep::Kind::time) {
    out.push_back({.kind = Action::Kind::server_time, .number = verdict.number});
  } else if (step.kind == SetupStep::Kind::client_id) {
    out.push_back({.kind = Action::Kind::client_id, .number = verdict.number});
  }
  if (++setup_answered_ == plan_->size()) become_ready(now, out);
}

void ConnectionFsm::become_ready(TimePoint now, Actions& out) {
  state_ = LaneState::ready;
  recycling_ = false;
  ++epoch_;
  ready_since_ = now;
  useful_ = false;
  out.push_back({.kind = Action::Kind::ready, .number = static_cast<std::int64_t>(epoch_)});
  drop_unsent(
      out, Failure::not_written, "the connection it was meant for is gone",
      [this](const Unsent& each) { return each.only_epoch != 0 && each.only_epoch != epoch_; });
}

void ConnectionFsm::attempt_failed(TimePoint now, std::string why, Actions& out) {
  if (state_ != LaneState::resolving) out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::backing_off;
  retry_at_ = now + backoff_.next(rng_);
  last_error_ = std::move(why);
  out.push_back({.kind = Action::Kind::attempt_failed, .text = last_error_});
}

void ConnectionFsm::setup_refused(TimePoint now, std::string code, std::string text, Actions& out) {
  out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::refused;
  retry_at_ = now + options_.refused_retry;
  refused_code_ = std::move(code);
  last_error_ = std::move(text);
  out.push_back({.kind = Action::Kind::refused, .text = last_error_, .code = refused_code_});
  for (Unsent& each : unsent_) fail(out, each.waiter, Failure::refused, last_error_, refused_code_);
  unsent_.clear();
  queued_bytes_ = 0;
}

void ConnectionFsm::on_lost(TimePoint now, std::string_view why, Actions& out) {
  switch (state_) {
    case LaneState::connecting: {
      const std::string text =
          "cannot connect to " + addresses_[address_].text() + ": " + std::string(why);
      if (address_ + 1 < addresses_.size() && now < attempt_deadline_) {
        last_error_ = text;
        out.push_back({.kind = Action::Kind::close});
        ++address_;
        connect_next(now, out);
      } else {
        attempt_failed(now, text, out);
      }
      return;
    }
    case LaneState::setting_up:
      ++first_address_;
      attempt_failed(now, "the connection ended during set-up: " + std::string(why), out);
      return;
    case LaneState::ready:
    case LaneState::draining:
      end_connection(now, why, out);
      return;
    default:
      return;
  }
}

void ConnectionFsm::on_protocol_error(TimePoint now, std::string_view why, Actions& out) {
  const std::string text = "protocol error: " + std::string(why);
  if (state_ == LaneState::setting_up) {
    ++first_address_;
    attempt_failed(now, text, out);
  } else if (state_ == LaneState::ready || state_ == LaneState::draining) {
    end_connection(now, text, out);
  }
}

TimePoint ConnectionFsm::next_wake() const noexcept {
  TimePoint wake = TimePoint::max();
  switch (state_) {
    case LaneState::resolving:
      wake = attempt_deadline_;
      break;
    case LaneState::connecting:
      wake = std::min(address_deadline_, attempt_deadline_);
      break;
    case LaneState::setting_up:
      wake = attempt_deadline_;
      break;
    case LaneState::backing_off:
    case LaneState::refused:
      wake = retry_at_;
      break;
    case LaneState::draining:
      wake = drain_deadline_;
      break;
    case LaneState::closed:
      return TimePoint::max();
    default:
      break;
  }
  if (const auto stalled = stalled_at()) wake = std::min(wake, *stalled);
  return std::min(wake, earliest_);
}

void ConnectionFsm::on_timer(TimePoint now, Actions& out) {
  if (now >= earliest_) expire(now, out);
  switch (state_) {
    case LaneState::resolving:
      if (now >= attempt_deadline_) {
        attempt_failed(now, "the host was not resolved within " + in_ms(options_.connect_timeout),
                       out);
      }
      break;
    case LaneState::connecting:
      if (now >= std::min(address_deadline_, attempt_deadline_)) on_lost(now, "timed out", out);
      break;
    case LaneState::setting_up:
      if (now >= attempt_deadline_) {
        ++first_address_;
        attempt_failed(
            now, "the server did not answer the set-up within " + in_ms(options_.connect_timeout),
            out);
      }
      break;
    case LaneState::backing_off:
    case LaneState::refused:
      if (now >= retry_at_) begin_attempt(now, out);
      break;
    case LaneState::draining:
      if (now >= drain_deadline_) end_connection(now, "closed", out);
      break;
    default:
      break;
  }
  if (const auto stalled = stalled_at(); stalled && now >= *stalled) {
    end_connection(now,
                   "the server has been silent for " + in_ms(options_.stall_timeout) +
                       " after a command's deadline",
                   out);
  }
}

}  // namespace mx_rmq::redis

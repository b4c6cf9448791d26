#include "redis/connection/connection_fsm.hpp"

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
  heard_in_setup_ = false;
  role_refusals_ = 0;
  careful_ = unfit_;
  auth_refused_.reset();
  skip_ = 0;
}

// The last step asks for the role once more, and only where it was not told.
std::size_t ConnectionFsm::setup_steps() const noexcept {
  const bool ends_with_it =
      !plan_->empty() && plan_->back().kind == SetupStep::Kind::replication_info;
  return plan_->size() - (ends_with_it && role_refusals_ == 0 ? 1 : 0);
}

// Where there was no master the last time, what a master needs is not sent before it is known to be one.
std::size_t ConnectionFsm::setup_sendable() const noexcept {
  if (!careful_) return setup_steps();
  const auto role = std::ranges::find(*plan_, SetupStep::Kind::role, &SetupStep::kind);
  if (role == plan_->end()) return setup_steps();
  const auto with_it = static_cast<std::size_t>(role - plan_->begin()) + 1;
  return setup_answered_ < with_it ? with_it : setup_steps();
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
  // A Sentinel refuses the password of the servers that it watches: what is there tells more.
  if (step.kind == SetupStep::Kind::auth && verdict.kind == Verdict::refuse) {
    auth_refused_ = std::move(verdict);
    ++setup_answered_;
    return;
  }
  if (auth_refused_ && verdict.kind != Verdict::sentinel)
    verdict = *std::exchange(auth_refused_, {});
  switch (verdict.kind) {
    case Verdict::refuse:
    case Verdict::sentinel:
      setup_refused(now, std::move(verdict), out);
      return;
    case Verdict::try_later:
    case Verdict::garbage:
      setup_failed(now, std::move(verdict.text), out);
      return;
    case Verdict::replica:
      setup_failed(now, std::move(verdict.text), out, Found::nothing_fit);
      return;
    case Verdict::go_on:
      break;
  }
  if (verdict.role_refused) ++role_refusals_;
  if (step.kind == SetupStep::Kind::time) {
    out.push_back({.kind = Action::Kind::server_time, .number = verdict.number});
  } else if (step.kind == SetupStep::Kind::client_id) {
    out.push_back({.kind = Action::Kind::client_id, .number = verdict.number});
  }
  if (++setup_answered_ == setup_steps()) become_ready(now, out);
}

void ConnectionFsm::become_ready(TimePoint now, Actions& out) {
  state_ = LaneState::ready;
  recycling_ = false;
  renewed_ = false;
  unfit_ = false;
  silence_.clear();
  ++epoch_;
  ready_since_ = now;
  useful_ = false;
  out.push_back({.kind = Action::Kind::ready, .number = static_cast<std::int64_t>(epoch_)});
  drop_unsent(out, Failure::not_written, std::string(bound_and_over), [this](const Unsent& each) {
    return each.only_epoch != 0 && each.only_epoch != epoch_;
  });
}

void ConnectionFsm::attempt_failed(TimePoint now, std::string why, Actions& out, Found found) {
  const bool silent = state_ == LaneState::setting_up && !heard_in_setup_;
  if (state_ != LaneState::resolving) out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::backing_off;
  retry_at_ = now + backoff_.next(rng_);
  last_error_ = std::move(why);
  unfit_ = found == Found::nothing_fit;
  if (silent && !silence_.empty()) {
    last_error_ = silence_;
    unfit_ = true;
  }
  out.push_back({.kind = Action::Kind::attempt_failed,
                 .text = last_error_,
                 .address = address_ < addresses_.size() ? addresses_[address_] : Address(),
                 .unfit = unfit_,
                 .silent = silent});
  if (unfit_) fail_only_fit(out);
}

// After one that connected and is of no use another address gets its chance.
void ConnectionFsm::setup_failed(TimePoint now, std::string why, Actions& out, Found found) {
  if (auth_refused_) {
    setup_refused(now, *std::exchange(auth_refused_, {}), out);
    return;
  }
  ++first_address_;
  attempt_failed(now, std::move(why), out, found);
}

void ConnectionFsm::fail_only_fit(Actions& out) {
  drop_unsent(out, Failure::not_written, last_error_,
              [](const Unsent& each) { return each.only_fit; });
}

void ConnectionFsm::explain_silence(std::string why, Actions& out) {
  if (state_ == LaneState::idle || state_ == LaneState::ready || state_ == LaneState::refused ||
      state_ == LaneState::draining || state_ == LaneState::closed) {
    return;
  }
  silence_ = std::move(why);
  last_error_ = silence_;
  unfit_ = true;
  fail_only_fit(out);
}

void ConnectionFsm::try_now(TimePoint now) {
  if (state_ == LaneState::backing_off && unfit_) retry_at_ = std::min(retry_at_, now);
}

void ConnectionFsm::setup_refused(TimePoint now, SetupVerdict verdict, Actions& out) {
  out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::refused;
  retry_at_ = now + options_.refused_retry;
  refused_code_ = std::move(verdict.code);
  last_error_ = std::move(verdict.text);
  unfit_ = verdict.kind == SetupVerdict::Kind::sentinel;
  out.push_back(
      {.kind = Action::Kind::refused, .text = last_error_, .code = refused_code_, .unfit = unfit_});
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
      setup_failed(now, "the connection ended during set-up: " + std::string(why), out);
      return;
    case LaneState::ready:
    case LaneState::draining:
      end_connection(now, why, out, true);
      return;
    default:
      return;
  }
}

void ConnectionFsm::on_protocol_error(TimePoint now, std::string_view why, Actions& out) {
  const std::string text = "protocol error: " + std::string(why);
  if (state_ == LaneState::setting_up) {
    setup_failed(now, text, out);
  } else if (state_ == LaneState::ready || state_ == LaneState::draining) {
    end_connection(now, text, out);
  }
}

void ConnectionFsm::on_no_redis(TimePoint now, std::string why, Actions& out) {
  if (state_ == LaneState::setting_up) setup_failed(now, std::move(why), out, Found::nothing_fit);
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
        setup_failed(
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

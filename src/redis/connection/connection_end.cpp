#include <algorithm>
#include <utility>

#include "redis/connection/connection_fsm.hpp"

// How a usable connection ends: lost, recycled, drained, aborted.
namespace mx_rmq::redis {

namespace {

// A reply was worth something, but the connection did not last: begin the pauses a few doublings up,
// so that a connection that keeps dying cannot be made anew all the time.
constexpr int failures_after_short_life = 2;

}  // namespace

// What was written, wholly or partly, has an unknown outcome. What was handed over while this connection
// was up and not written has none: its sender decides anew, seeing the new epoch. What waited for a
// connection already goes on waiting.
void ConnectionFsm::end_connection(TimePoint now, std::string_view why, Actions& out,
                                   bool by_peer) {
  out.push_back({.kind = Action::Kind::close});
  const bool draining = state_ == LaneState::draining;
  const bool voluntary = recycling_ || draining;
  const bool idle = by_peer && unsent_.empty() && skip_ == 0 &&
                    std::ranges::all_of(
                        in_flight_, [](const InFlight& each) { return each.waiter == look_token; });
  last_error_ = std::string(why);
  const std::string text = "the connection to Redis ended: " + last_error_;
  for (const InFlight& each : in_flight_) fail(out, each.waiter, Failure::outcome_unknown, text);
  in_flight_.clear();
  if (skip_ > 0 && !unsent_.empty()) {
    fail(out, unsent_.front().waiter, Failure::outcome_unknown, text);
    queued_bytes_ -= unsent_.front().command.size();
    unsent_.pop_front();
  }
  skip_ = 0;
  recycling_ = false;
  if (draining) {
    close_for_good(out);
    return;
  }
  drop_unsent(out, Failure::not_written, text, [this](const Unsent& each) {
    return each.submitted_in == epoch_ || (each.only_epoch != 0 && each.only_epoch <= epoch_);
  });
  if (now - ready_since_ >= options_.useful_after) {
    backoff_.reset();
  } else if (useful_ && !renewed_) {
    backoff_.soften(failures_after_short_life);
  }
  state_ = LaneState::backing_off;
  retry_at_ = now + backoff_.next(rng_);
  out.push_back(
      {.kind = Action::Kind::lost, .number = voluntary ? 1 : 0, .text = last_error_, .idle = idle});
}

void ConnectionFsm::recycle(TimePoint now, std::uint64_t epoch, std::string_view why,
                            Actions& out) {
  if (state_ != LaneState::ready || epoch != epoch_ || recycling_) return;
  recycling_ = true;
  why_recycled_ = std::string(why);
  finish_if_answered(now, out);
}

void ConnectionFsm::renew(TimePoint now, std::string_view why, bool at_once, Actions& out) {
  if (state_ == LaneState::setting_up) {
    attempt_failed(now, std::string(why), out);
    return;
  }
  if (state_ != LaneState::ready) return;
  renewed_ = true;
  if (!recycling_) {
    recycling_ = true;
    why_recycled_ = std::string(why);
  }
  if (at_once) {
    end_connection(now, why, out);
  } else {
    finish_if_answered(now, out);
  }
}

void ConnectionFsm::drop(TimePoint now, std::uint64_t epoch, std::string_view why, Actions& out) {
  if ((state_ == LaneState::ready || state_ == LaneState::draining) && epoch == epoch_) {
    end_connection(now, why, out);
  }
}

void ConnectionFsm::drain(TimePoint now, TimePoint deadline, Actions& out) {
  if (state_ == LaneState::closed) return;
  if (state_ == LaneState::draining) {
    drain_deadline_ = std::min(drain_deadline_, deadline);
    return;
  }
  if (state_ != LaneState::ready) {
    abort(now, out);
    return;
  }
  state_ = LaneState::draining;
  drain_deadline_ = deadline;
  if (recycling_) {
    recycling_ = false;
    drop_unsent(out, Failure::shut_down, "the connections to Redis are closed",
                [this](const Unsent& each) { return each.submitted_in != epoch_; });
  }
  finish_if_answered(now, out);
}

void ConnectionFsm::abort(TimePoint now, Actions& out) {
  if (state_ == LaneState::closed) return;
  if (state_ == LaneState::ready || state_ == LaneState::draining) {
    state_ = LaneState::draining;
    end_connection(now, "closed", out);
    return;
  }
  if (state_ == LaneState::connecting || state_ == LaneState::setting_up) {
    out.push_back({.kind = Action::Kind::close});
  }
  close_for_good(out);
}

void ConnectionFsm::close_for_good(Actions& out) {
  state_ = LaneState::closed;
  for (const Unsent& each : unsent_) {
    fail(out, each.waiter, Failure::shut_down, "the connections to Redis are closed");
  }
  unsent_.clear();
  queued_bytes_ = 0;
  skip_ = 0;
  out.push_back({.kind = Action::Kind::closed});
}

void ConnectionFsm::finish_if_answered(TimePoint now, Actions& out) {
  if (recycling_) {
    if (in_flight_.empty() && skip_ == 0) end_connection(now, why_recycled_, out);
  } else if (state_ == LaneState::draining) {
    if (in_flight_.empty() && unsent_.empty()) end_connection(now, "closed", out);
  }
}

}  // namespace mx_rmq::redis

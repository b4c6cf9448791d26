#include <algorithm>
#include <chrono>
#include <utility>

#include "redis/connection/connection_fsm.hpp"

// The commands of a connection: submitted, written, answered, timed out.
namespace mx_rmq::redis {

namespace {

// With very many different deadlines, do not look through the queue for each of them.
constexpr auto shortest_scan_interval = std::chrono::milliseconds(1);

}  // namespace

void ConnectionFsm::fail(Actions& out, WaiterToken waiter, Failure failure, std::string text,
                         std::string code) const {
  if (waiter == 0) return;
  out.push_back({.kind = Action::Kind::fail,
                 .waiter = waiter,
                 .failure = failure,
                 .text = std::move(text),
                 .code = std::move(code)});
}

void ConnectionFsm::submit(TimePoint now, WaiterToken waiter, Command command, TimePoint deadline,
                           std::uint64_t only_epoch, Actions& out, bool only_fit) {
  if (state_ == LaneState::closed || state_ == LaneState::draining) {
    return fail(out, waiter, Failure::shut_down, "the connections to Redis are closed");
  }
  if (state_ == LaneState::refused) {
    return fail(out, waiter, Failure::refused, last_error_, refused_code_);
  }
  if (only_epoch != 0 && (ready() ? only_epoch != epoch_ : only_epoch <= epoch_)) {
    return fail(out, waiter, Failure::not_written, std::string(bound_and_over));
  }
  if (only_fit && unfit_ && !ready()) {
    return fail(out, waiter, Failure::not_written, last_error_);
  }
  if (deadline <= now) {
    return fail(out, waiter, Failure::timed_out, "the deadline had passed before it was sent");
  }
  if (!unsent_.empty() && queued_bytes_ + command.size() > options_.max_queued_bytes) {
    return fail(out, waiter, Failure::not_written,
                "the queue of the connection to Redis is full (" + std::to_string(queued_bytes_) +
                    " bytes wait to be sent)");
  }
  queued_bytes_ += command.size();
  earliest_ = std::min(earliest_, deadline);
  unsent_.push_back(
      {std::move(command), waiter, deadline, only_epoch, ready() ? epoch_ : 0, only_fit});
  start(now, out);
}

bool ConnectionFsm::wants_write() const noexcept {
  if (state_ == LaneState::setting_up) return setup_written_ < setup_sendable();
  if (state_ == LaneState::ready && recycling_) return skip_ > 0;
  return (state_ == LaneState::ready || state_ == LaneState::draining) && !unsent_.empty();
}

std::size_t ConnectionFsm::gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                  std::size_t max_bytes) const {
  if (!wants_write()) return 0;
  std::size_t bytes = 0;
  const auto add = [&](const Command& command) {
    buffers.push_back(command.bytes());
    bytes += command.size();
    return --max_buffers > 0 && bytes < max_bytes;
  };
  if (state_ == LaneState::setting_up) {
    for (std::size_t i = setup_written_; i < setup_sendable() && add((*plan_)[i].command);) ++i;
  } else if (recycling_) {
    add(unsent_.front().command);
  } else {
    for (const Unsent& each : unsent_) {
      if (!add(each.command)) break;
    }
  }
  return skip_;
}

void ConnectionFsm::on_written(std::size_t bytes) {
  bytes += skip_;
  skip_ = 0;
  if (state_ == LaneState::setting_up) {
    while (setup_written_ < setup_sendable() && bytes >= (*plan_)[setup_written_].command.size()) {
      bytes -= (*plan_)[setup_written_].command.size();
      ++setup_written_;
    }
  } else {
    while (!unsent_.empty() && bytes >= unsent_.front().command.size()) {
      Unsent& front = unsent_.front();
      bytes -= front.command.size();
      queued_bytes_ -= front.command.size();
      in_flight_.push_back({front.waiter, front.deadline});
      unsent_.pop_front();
    }
  }
  skip_ = bytes;
}

void ConnectionFsm::on_reply(TimePoint now, Reply reply, Actions& out) {
  if (state_ == LaneState::setting_up) return on_setup_reply(now, reply, out);
  if (state_ != LaneState::ready && state_ != LaneState::draining) return;
  if (in_flight_.empty()) {
    return on_protocol_error(now, "a reply that nobody waits for: " + reply.describe(), out);
  }
  const WaiterToken waiter = in_flight_.front().waiter;
  in_flight_.pop_front();
  useful_ = true;
  // An abandoned command's reply is swallowed.
  if (waiter != 0) {
    out.push_back({.kind = Action::Kind::reply, .waiter = waiter, .reply = std::move(reply)});
  }
  finish_if_answered(now, out);
}

void ConnectionFsm::expire(TimePoint now, Actions& out) {
  const bool no_connection = !ready() && state_ != LaneState::draining && !last_error_.empty();
  bool partly_written = skip_ > 0 && (state_ == LaneState::ready || state_ == LaneState::draining);
  TimePoint earliest = TimePoint::max();
  std::erase_if(unsent_, [&](Unsent& each) {
    const bool begun = std::exchange(partly_written, false);
    if (each.waiter == 0) return false;
    if (each.deadline > now) {
      earliest = std::min(earliest, each.deadline);
      return false;
    }
    if (begun) {
      fail(out, std::exchange(each.waiter, 0), Failure::outcome_unknown,
           "no reply from Redis by the deadline");
      return false;
    }
    if (no_connection) {
      fail(out, each.waiter, Failure::not_written,
           "no connection to Redis by the deadline: " + last_error_);
    } else {
      fail(out, each.waiter, Failure::timed_out, "not sent to Redis by the deadline");
    }
    queued_bytes_ -= each.command.size();
    return true;
  });
  for (InFlight& each : in_flight_) {
    if (each.waiter == 0) continue;
    if (each.deadline > now) {
      earliest = std::min(earliest, each.deadline);
    } else {
      fail(out, std::exchange(each.waiter, 0), Failure::outcome_unknown,
           "no reply from Redis by the deadline");
    }
  }
  earliest_ =
      earliest == TimePoint::max() ? earliest : std::max(earliest, now + shortest_scan_interval);
}

std::size_t ConnectionFsm::in_flight() const noexcept {
  const bool begun = skip_ > 0 && (state_ == LaneState::ready || state_ == LaneState::draining);
  return in_flight_.size() + (begun ? 1 : 0);
}

std::optional<TimePoint> ConnectionFsm::stalled_at() const noexcept {
  if (state_ != LaneState::ready && state_ != LaneState::draining) return std::nullopt;
  TimePoint oldest;
  if (!in_flight_.empty()) {
    oldest = in_flight_.front().deadline;
  } else if (skip_ > 0 && !unsent_.empty()) {
    oldest = unsent_.front().deadline;
  } else {
    return std::nullopt;
  }
  return std::max(oldest, last_heard_.value_or(ready_since_)) + options_.stall_timeout;
}

}  // namespace mx_rmq::redis

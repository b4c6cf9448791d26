#include "redis/connection/command_queue.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>

#include "runtime/planted.hpp"

namespace mx_rmq::redis {

namespace {

// With very many different deadlines, do not look through the queue for each of them.
constexpr auto shortest_scan_interval = std::chrono::milliseconds(1);

constexpr const char* no_reply_in_time = "no reply from Redis by the deadline";

}  // namespace

void CommandQueue::push(Unsent unsent) {
  assert(!unsent.command.empty() && "a command has bytes");
  queued_bytes_ += unsent.command.size();
  earliest_ = std::min(earliest_, unsent.deadline);
  unsent_.push_back(std::move(unsent));
}

void CommandQueue::removed(const Unsent& unsent) noexcept {
  assert(queued_bytes_ >= unsent.command.size() && "every unsent command's bytes are counted");
  queued_bytes_ -= unsent.command.size();
}

std::size_t CommandQueue::gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                 std::size_t max_bytes, bool only_begun) const {
  std::size_t bytes = 0;
  for (const Unsent& each : unsent_) {
    if (only_begun && !begun()) break;
    buffers.push_back(each.command.bytes());
    bytes += each.command.size();
    if (only_begun || --max_buffers == 0 || bytes >= max_bytes) break;
  }
  return skip_;
}

void CommandQueue::on_written(std::size_t bytes) {
  bytes += skip_;
  while (!unsent_.empty() && bytes >= unsent_.front().command.size()) {
    Unsent& front = unsent_.front();
    bytes -= front.command.size();
    removed(front);
    in_flight_.push_back({front.waiter, front.deadline});
    MX_RMQ_PLANT("replays_after_reconnecting",
                 auto& written = planted::kept<std::deque<Command>>(this);
                 written.push_back(front.command);
                 while (written.size() > in_flight_.size()) written.pop_front());
    unsent_.pop_front();
  }
  skip_ = bytes;
  assert((!begun() || !unsent_.empty()) && "no more is written than there was");
}

std::optional<WaiterToken> CommandQueue::answered() {
  if (in_flight_.empty()) return std::nullopt;
  const WaiterToken waiter = in_flight_.front().waiter;
  in_flight_.pop_front();
  MX_RMQ_PLANT("replays_after_reconnecting", planted::kept<std::deque<Command>>(this).pop_front());
  return waiter;
}

std::optional<WaiterToken> CommandQueue::oldest() const noexcept {
  if (in_flight_.empty()) return std::nullopt;
  return in_flight_.front().waiter;
}

void CommandQueue::expire(TimePoint now, const std::string* no_connection, Actions& out,
                          Failure failure) {
  bool partly_written = begun();
  TimePoint earliest = TimePoint::max();
  std::erase_if(unsent_, [&](Unsent& each) {
    const bool has_begun = std::exchange(partly_written, false);
    if (each.waiter == 0) return false;
    if (each.deadline > now) {
      earliest = std::min(earliest, each.deadline);
      return false;
    }
    if (has_begun) {  // it goes out whole, and its reply is swallowed
      add_failure(out, std::exchange(each.waiter, 0), Failure::outcome_unknown, no_reply_in_time);
      return false;
    }
    if (no_connection != nullptr) {
      add_failure(out, each.waiter, failure,
                  "no connection to Redis by the deadline: " + *no_connection);
    } else {
      add_failure(out, each.waiter, Failure::timed_out, "not sent to Redis by the deadline");
    }
    removed(each);
    return true;
  });
  for (InFlight& each : in_flight_) {
    if (each.waiter == 0) continue;
    if (each.deadline > now) {
      earliest = std::min(earliest, each.deadline);
    } else {
      add_failure(out, std::exchange(each.waiter, 0), Failure::outcome_unknown, no_reply_in_time);
    }
  }
  if (MX_RMQ_PLANTED("gives_a_late_reply_to_the_next_waiter"))
    std::erase_if(in_flight_, [](const InFlight& each) { return each.waiter == 0; });
  earliest_ =
      earliest == TimePoint::max() ? earliest : std::max(earliest, now + shortest_scan_interval);
}

void CommandQueue::lose_written(const std::string& why, Actions& out) {
  MX_RMQ_PLANT(
      "replays_after_reconnecting",
      for (auto& written = planted::kept<std::deque<Command>>(this); !in_flight_.empty();) {
        const InFlight& last = in_flight_.back();
        queued_bytes_ += written.back().size();
        unsent_.push_front({written.back(), last.waiter, last.deadline, 0, 0});
        written.pop_back();
        in_flight_.pop_back();
        skip_ = 0;
      });
  for (const InFlight& each : in_flight_) {
    add_failure(out, each.waiter, Failure::outcome_unknown, why);
  }
  in_flight_.clear();
  if (!begun()) return;
  removed(unsent_.front());
  add_failure(out, unsent_.front().waiter, Failure::outcome_unknown, why);
  unsent_.pop_front();
  skip_ = 0;
}

void CommandQueue::fail_unsent(Failure failure, const std::string& why, const std::string& code,
                               Actions& out) {
  assert(!begun() && "what is written in part was lost before");
  for (const Unsent& each : unsent_) add_failure(out, each.waiter, failure, why, code);
  unsent_.clear();
  queued_bytes_ = 0;
}

bool CommandQueue::idle() const noexcept {
  return unsent_.empty() && std::ranges::all_of(in_flight_, [](const InFlight& each) {
           return each.waiter == look_token;
         });
}

std::optional<TimePoint> CommandQueue::reply_due() const noexcept {
  if (!in_flight_.empty()) return in_flight_.front().deadline;
  if (begun()) return unsent_.front().deadline;
  return std::nullopt;
}

}  // namespace mx_rmq::redis

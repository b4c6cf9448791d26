#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redis/connection/action.hpp"
#include "redis/wire/command.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

using runtime::TimePoint;

/// The commands of one connection slot, in their order: those that are not written, one that is
/// written in part, those that await their replies. Each waiter is answered exactly once: named by
/// answered(), or by a `fail` action.
class CommandQueue {
 public:
  /// A command that is not written, or only in part.
  struct Unsent {
    Command command;
    WaiterToken waiter;  ///< 0: timed out when partly written
    TimePoint deadline;
    std::uint64_t only_epoch;  ///< to be sent in this epoch only; 0: in any
    std::uint64_t
        submitted_in;       ///< the epoch it was submitted in; 0: while there was no connection
    bool only_fit = false;  ///< fails as soon as what is there is known to be of no use
  };

  /// Takes it to the end. Its size must be allowed for: see has_room().
  void push(Unsent unsent);
  [[nodiscard]] bool has_room(std::size_t size, std::size_t max_bytes) const noexcept {
    return unsent_.empty() || queued_bytes_ + size <= max_bytes;
  }

  // --- writing ---

  /// What to write next, at most about `max_bytes` and `max_buffers`, to the end of `buffers`; with
  /// `only_begun` nothing but the rest of what is written in part. Returns how many bytes of the
  /// first are written already.
  [[nodiscard]] std::size_t gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                   std::size_t max_bytes, bool only_begun) const;
  /// That many of the bytes that gather() gave are written.
  void on_written(std::size_t bytes);

  // --- their ends ---

  /// The waiter of the oldest command that awaits its reply, which has come: 0 if it was abandoned,
  /// nothing if no command awaits one.
  [[nodiscard]] std::optional<WaiterToken> answered();
  /// The same without taking it: whose the next reply is.
  [[nodiscard]] std::optional<WaiterToken> oldest() const noexcept;
  /// Those whose deadline has come fail. `no_connection`: why there is none, told as `failure`;
  /// nullptr while there is one.
  void expire(TimePoint now, const std::string* no_connection, Actions& out,
              Failure failure = Failure::not_written);
  /// The connection ended: what was written, wholly or in part, may have been executed.
  void lose_written(const std::string& why, Actions& out);
  /// All that is not written fails.
  void fail_unsent(Failure failure, const std::string& why, const std::string& code, Actions& out);
  /// Those that `gone` picks of what is not written at all fail.
  template <class Predicate>
  void drop_unsent(Failure failure, const std::string& why, Actions& out, Predicate gone);

  // --- how things are ---

  /// A command is written in part.
  [[nodiscard]] bool begun() const noexcept { return skip_ > 0; }
  /// Commands written, wholly or in part, and not answered; abandoned ones included.
  [[nodiscard]] std::size_t in_flight() const noexcept {
    return in_flight_.size() + (begun() ? 1 : 0);
  }
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  /// Nobody but the connection itself waits for anything.
  [[nodiscard]] bool idle() const noexcept;
  /// expire() is needed no earlier than that.
  [[nodiscard]] TimePoint next_deadline() const noexcept { return earliest_; }
  /// The deadline of the command whose reply is due next.
  [[nodiscard]] std::optional<TimePoint> reply_due() const noexcept;

 private:
  struct InFlight {
    WaiterToken waiter;  // 0: abandoned, its reply is swallowed
    TimePoint deadline;
  };

  void removed(const Unsent& unsent) noexcept;

  std::deque<Unsent> unsent_;
  std::size_t skip_ = 0;          // bytes of the first that are written
  std::size_t queued_bytes_ = 0;  // of unsent_
  std::deque<InFlight> in_flight_;
  TimePoint earliest_ = TimePoint::max();  // no deadline of a waiter is before this
};

template <class Predicate>
void CommandQueue::drop_unsent(Failure failure, const std::string& why, Actions& out,
                               Predicate gone) {
  bool partly_written = begun();
  std::erase_if(unsent_, [&](const Unsent& each) {
    if (std::exchange(partly_written, false) || !gone(each)) return false;
    removed(each);
    add_failure(out, each.waiter, failure, why);
    return true;
  });
}

}  // namespace mx_rmq::redis

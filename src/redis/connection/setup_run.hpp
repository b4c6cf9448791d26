#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "redis/connection/action.hpp"
#include "redis/connection/setup.hpp"

namespace mx_rmq::redis {

/// One pass through a set-up plan, on one connection: what of it is written and what is answered.
class SetupRun {
 public:
  /// With `careful` nothing is sent behind the question for the role before its answer: where there
  /// was no master the last time, what a master needs is not sent before it is known to be one.
  SetupRun(std::shared_ptr<const SetupPlan> plan, bool careful)
      : plan_(std::move(plan)), careful_(careful) {}

  [[nodiscard]] bool wants_write() const noexcept { return written_ < sendable(); }
  /// As CommandQueue's.
  [[nodiscard]] std::size_t gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                   std::size_t max_bytes) const;
  void on_written(std::size_t bytes);

  /// Some bytes came.
  void on_heard() noexcept { heard_ = true; }
  /// What the reply to the next step means for the connection. What it told is added to `out`.
  [[nodiscard]] SetupVerdict on_reply(const Reply& reply, Actions& out);
  /// The refusal of AUTH, if it was kept: what is there tells more, as a Sentinel refuses the
  /// password of the servers that it watches.
  [[nodiscard]] std::optional<SetupVerdict> take_auth_refusal() noexcept {
    return std::exchange(auth_refused_, std::nullopt);
  }

  /// All steps have been answered well.
  [[nodiscard]] bool done() const noexcept { return answered_ == steps(); }
  [[nodiscard]] bool silent() const noexcept { return !heard_; }
  [[nodiscard]] bool unanswered() const noexcept { return answered_ == 0; }
  /// The questions for the role that were refused: ROLE, then INFO replication.
  [[nodiscard]] int role_refusals() const noexcept { return role_refusals_; }

 private:
  [[nodiscard]] std::size_t steps() const noexcept;
  [[nodiscard]] std::size_t sendable() const noexcept;

  std::shared_ptr<const SetupPlan> plan_;
  bool careful_;
  std::size_t written_ = 0;   // steps
  std::size_t skip_ = 0;      // bytes of the next step that are written
  std::size_t answered_ = 0;  // steps
  bool heard_ = false;
  int role_refusals_ = 0;
  std::optional<SetupVerdict> auth_refused_;
};

}  // namespace mx_rmq::redis

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// The dead letters. Pure.
namespace mx_rmq::broker {

/// One as it is stored.
struct StoredDeadLetter {
  std::string member;
  std::int64_t dead_at = 0;
  std::string value;  ///< the line, a newline, the envelope byte for byte
};

struct DlqListArgs {
  std::int64_t offset = 0;
  int most = 100;
  std::size_t bytes = 0;  ///< one message is always allowed
};
struct DlqListResult {
  std::int64_t seen = 0;  ///< members looked at; 0 = the end
  std::vector<StoredDeadLetter> letters;
};
[[nodiscard]] redis::Command make_dlq_list(const TopicKeys& keys, const DlqListArgs& args);
[[nodiscard]] DlqListResult read_dlq_list(redis::Reply&& reply);

[[nodiscard]] redis::Command make_dlq_get(const TopicKeys& keys, std::string_view member);
/// `member` is left empty: the reply does not name it.
[[nodiscard]] std::optional<StoredDeadLetter> read_dlq_get(redis::Reply&& reply);

[[nodiscard]] redis::Command make_dlq_remove(const TopicKeys& keys,
                                             std::span<const std::string_view> members);
[[nodiscard]] std::int64_t read_dlq_remove(redis::Reply&& reply);

/// A step over all that was dead before a moment. The moment is the `now` of the first step's reply.
struct DlqStepArgs {
  std::int64_t before = 0;  ///< ms; 0 = this is the first step
  std::int64_t pass = 0;    ///< unreadable ones to pass over (requeue_all only)
  int most = 1000;
  std::size_t bytes = 0;  ///< one message is always allowed
};
struct DlqStepResult {
  std::int64_t now = 0;
  std::int64_t done = 0;
  std::int64_t passed = 0;  ///< unreadable ones passed over in this step (requeue_all only)
  bool more = false;
};
[[nodiscard]] redis::Command make_dlq_purge(const TopicKeys& keys, const DlqStepArgs& args);
[[nodiscard]] DlqStepResult read_dlq_purge(redis::Reply&& reply);
[[nodiscard]] redis::Command make_requeue_all(const TopicKeys& keys, const DlqStepArgs& args);
[[nodiscard]] DlqStepResult read_requeue_all(redis::Reply&& reply);

enum class RequeueState : std::uint8_t {
  done,
  none,       ///< no such dead letter
  unreadable  ///< no envelope: it stays where it is
};
struct RequeueResult {
  std::int64_t now = 0;
  RequeueState state = RequeueState::none;
};
[[nodiscard]] redis::Command make_requeue(const TopicKeys& keys, std::string_view member);
[[nodiscard]] RequeueResult read_requeue(redis::Reply&& reply);

}  // namespace mx_rmq::broker

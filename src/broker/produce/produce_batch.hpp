#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/data/outgoing_envelope.hpp"
#include "broker/scripts/calls_produce.hpp"

namespace mx_rmq::broker {

/// What all messages of a batch have in common.
struct BatchLimits {
  std::int64_t now = 0;     ///< the server's unix ms: created_at
  std::int64_t latest = 0;  ///< what delays count from, so that they are not short: now, or later
  std::chrono::milliseconds grace{0};
  std::int32_t max_recoveries = 0;
  std::size_t max_messages = 1;
  std::size_t max_bytes = 1;  ///< of envelopes; one message is always allowed
};

/// Encodes messages straight into the memory of one batch. Pure.
class ProduceBatch {
 public:
  /// `memory` is what an earlier batch left.
  explicit ProduceBatch(const BatchLimits& limits, std::string memory = {})
      : limits_(limits), buffer_(std::move(memory)) {
    buffer_.clear();
  }

  /// False: there is no room left, or it was routed by other settings than the others. The message
  /// must live until build(). Throws
  /// std::invalid_argument, with nothing added, for what no envelope can hold.
  bool add(const OutgoingEnvelope& message);

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return buffer_.size(); }
  /// What the settings must be for all of them; see OutgoingEnvelope::must.
  [[nodiscard]] const std::optional<std::int64_t>& must() const noexcept { return must_; }
  /// Until when the last of them that has a key or a chosen id may be in work, as it is to be noted
  /// where they go; 0: nothing is.
  [[nodiscard]] std::int64_t ids_until() const noexcept;

  [[nodiscard]] Produce::Encoded build(const TopicKeys& keys, std::string_view producer_key,
                                       std::uint64_t number, std::chrono::milliseconds kept,
                                       redis::ChannelKind channels,
                                       const Produce::SettingsLook& settings = {}) const;

  /// The memory, for the next one; at most what an ordinary batch takes.
  [[nodiscard]] std::string release() {
    if (buffer_.capacity() > kept_memory) buffer_ = std::string();
    return std::move(buffer_);
  }

 private:
  static constexpr std::size_t kept_memory = std::size_t{1} << 20;

  struct Row {
    MessagePriority priority;
    std::int64_t due;
    std::int64_t id_until;
    std::string_view id;
    std::size_t begin;  // in buffer_, up to where the next one begins
  };

  const BatchLimits limits_;
  std::string buffer_;
  std::vector<Row> rows_;
  std::optional<std::int64_t> must_;
  std::int64_t until_ = 0;
  bool keyed_ = false;
};

}  // namespace mx_rmq::broker

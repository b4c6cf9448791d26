#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mx_rmq/priority.hpp"

namespace mx_rmq::broker {

/// The parts of an envelope, referring to its bytes, which must outlive the view:
///
///   mx1 <h|n|l> <attempts> <recoveries> <max_recoveries> <created_at> <ttl> <expire_at>
///       <id_until> <id length>\n<id>\n<headers>[\t<history>]\n<payload>
///
/// Scripts read the same (lua/include/envelope.lua): both accept and refuse the same bytes. Times
/// are unix ms of the server's clock.
struct EnvelopeView {
  MessagePriority priority = MessagePriority::normal;
  std::int32_t attempts = 0;        ///< ended attempts; at most 9 digits, as the next two
  std::int32_t recoveries = 0;      ///< times it was taken over from a dead consumer
  std::int32_t max_recoveries = 0;  ///< one more, and it is a dead letter `poison`
  std::int64_t created_at = 0;      ///< at most 15 digits, as the next three
  std::int64_t ttl = 0;             ///< ms
  std::int64_t expire_at = 0;
  std::int64_t id_until = 0;  ///< until when its id counts as taken; 0: the id was generated
  std::string_view id;        ///< any bytes, at most 9,999
  std::string_view headers;   ///< JSON or empty; no tab, no newline
  std::string_view history;   ///< see history.hpp, or empty; no newline
  std::string_view payload;
  std::size_t head_size = 0;  ///< bytes before the payload, as parsed; not used by append_*

  [[nodiscard]] bool chosen_id() const noexcept { return id_until != 0; }
};

inline constexpr std::size_t max_id_size = 9'999;
inline constexpr std::int64_t max_envelope_time = 999'999'999'999'999;  // 15 digits
inline constexpr std::int32_t max_envelope_count = 999'999'999;         // 9 digits

/// Nothing if the bytes are no envelope of this version. Allocates nothing, parses no JSON.
[[nodiscard]] std::optional<EnvelopeView> parse_envelope(std::string_view bytes) noexcept;

/// Appends all before the payload; what retry and release take. Numbers outside what the format
/// holds are cut to it. Throws std::invalid_argument for an id that is too long and for headers or
/// history that would break the line.
void append_head(std::string& out, const EnvelopeView& view);
/// Appends the whole envelope.
void append_envelope(std::string& out, const EnvelopeView& view);

[[nodiscard]] std::string encode_head(const EnvelopeView& view);
[[nodiscard]] std::string encode_envelope(const EnvelopeView& view);

}  // namespace mx_rmq::broker

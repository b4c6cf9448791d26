#pragma once

#include <cstdint>
#include <mx_rmq/dead_letters.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace mxrmq {

/// Which dead letters are meant; what is empty does not matter.
struct DeadFilter {
  std::string reason;                  ///< exactly
  std::string error;                   ///< a glob of the whole last error: * any text
  std::optional<std::int64_t> before;  ///< died before, unix ms

  [[nodiscard]] bool matches(const mx_rmq::DeadLetter& letter) const;
};

/// Whether `pattern`, in which * stands for any text, fits the whole text. Time: the product of
/// both lengths at worst.
[[nodiscard]] bool glob(std::string_view pattern, std::string_view text) noexcept;

/// The error without what differs between messages that fail alike: numbers are N, what looks like
/// an id (hexadecimal digits and dashes, 8 or more with a digit among them) ID, and what stands in
/// double quotes "…".
[[nodiscard]] std::string normalised(std::string_view error);

/// "50/s", "600/m", "10/h" as a number a second. Throws std::invalid_argument naming `what`.
[[nodiscard]] double parse_rate(const std::string& what, const std::string& text);

}  // namespace mxrmq

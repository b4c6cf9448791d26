#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mx_rmq/errors.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// What a server says it is. A queue works on a master only.
struct ServerRole {
  enum class Kind : std::uint8_t {
    unknown,  ///< it did not say, or in words that nobody knows: to be used
    master,
    replica,
    sentinel
  };
  Kind kind = Kind::unknown;
  /// replica: its master as "host:port"; sentinel: the names of what it watches, with commas.
  std::string of{};

  [[nodiscard]] bool fit() const noexcept { return kind == Kind::unknown || kind == Kind::master; }
};

/// What ROLE was answered; unknown for an error and for another shape.
[[nodiscard]] ServerRole read_role(const Reply& reply);
/// What INFO replication was answered; unknown for an error and for another shape.
[[nodiscard]] ServerRole read_replication_info(const Reply& reply);

/// What is there instead of a master, and what to write instead of its address; empty if it is fit.
[[nodiscard]] std::string unfit_text(const ServerRole& role);
/// The same for a port that speaks TLS, where it was not asked for.
[[nodiscard]] std::string unfit_tls_text(std::string_view address);
/// The same for a port that does not, where it was.
[[nodiscard]] std::string unfit_plain_text(std::string_view address);
/// The same for whatever answered a set-up with `bytes`, which are no RESP.
[[nodiscard]] std::string unfit_bytes_text(std::string_view address, std::string_view bytes);

/// What an error reply tells about the place it came from, to be put behind its text: " (...)";
/// empty if it tells nothing. A replica (READONLY, UNBLOCKED), a node of a Redis Cluster (MOVED and
/// its like).
[[nodiscard]] std::string_view explained(std::string_view error_text) noexcept;
/// The error of a call that Redis answered with an error reply: "Redis refused `what`: ...",
/// explained, with the reply's code.
[[nodiscard]] ServerError refusal(std::string_view what, std::string_view error_text);

}  // namespace mx_rmq::redis

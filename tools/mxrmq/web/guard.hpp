#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "web/http.hpp"

namespace mxrmq::web {

/// Who may ask for what. Everything passes here before it is looked at further. Pure; thread-safe.
///
/// - The Host must be one of ours, so that no foreign name leads here (DNS rebinding).
/// - Everything but the page itself needs the session: as the cookie that was given for the token,
///   or the token itself as `Authorization: Bearer`.
/// - What changes something must be a POST of application/json, and with a cookie come from our own
///   page: Sec-Fetch-Site, where a browser sends it, says "same-origin", and Origin is our Host.
class Guard {
 public:
  struct Options {
    std::set<std::string> hosts;  ///< as Host has them: "127.0.0.1:8080", "localhost:8080"
    std::string token;            ///< who knows it gets a session
  };
  enum class Needs { nothing, session, session_to_change };

  explicit Guard(Options options) : options_(std::move(options)) {}

  /// Nothing: go on. Else the answer.
  [[nodiscard]] std::optional<Response> refuse(const Request& request, Needs needs) const;
  /// The answer to a POST of {"token": ...}: the cookie, or 403.
  [[nodiscard]] Response open_session(std::string_view token) const;

 private:
  [[nodiscard]] bool knows_token(std::string_view given) const;
  [[nodiscard]] std::optional<Response> refuse_change(const Request& request, bool bearer) const;

  const Options options_;
};

/// An answer that says what went wrong, as all of the API do.
[[nodiscard]] Response failure(int status, std::string_view code, std::string_view message,
                               bool retryable = false);

/// 32 random bytes as 64 hexadecimal digits, from the kernel.
[[nodiscard]] std::string random_token();

}  // namespace mxrmq::web

#pragma once

#include <optional>
#include <string>
#include <string_view>

/// As much of a Redis URL as the configuration's own rules need. The connection's parser decides
/// about the rest of it.
namespace mx_rmq::api {

inline constexpr std::string_view redis_url_allowed =
    "redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]";

/// Why a URL with the scheme rediss is refused.
inline constexpr std::string_view tls_not_built_in =
    "rediss:// (TLS) is not built in, and it is never replaced by an unencrypted connection; "
    "allowed are redis:// and unix://";

/// redis:// with [host][:port], or unix:// with an absolute path; at most 4096 bytes, no control bytes.
[[nodiscard]] bool valid_redis_url(std::string_view url);

/// "rediss" of "RedisS://host"; empty if there is none.
[[nodiscard]] std::string url_scheme(std::string_view url);

/// What the URL says about fields that exist beside it. Percent-decoded.
struct UrlParts {
  std::optional<std::string> user, password;
  std::optional<std::string> db;  ///< as written: not checked for being a number
};
[[nodiscard]] UrlParts split_redis_url(std::string_view url);

/// The URL with its credentials as *** and without query arguments. What is no URL, so that nobody
/// knows where a password would be, is not shown at all.
[[nodiscard]] std::string redact_redis_url(const std::string& url);

}  // namespace mx_rmq::api

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mx_rmq::runtime {

/// A request that has no body.
struct HttpRequest {
  HttpRequest() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  std::string method;
  std::string target;  ///< as it was sent: a path, perhaps with a query
  std::string host;    ///< of the header; empty only from clients of HTTP/1.0
  std::string accept;
};

/// Reads one request of HTTP/1, however it is cut into pieces. What is not exactly as it must be is
/// refused. No socket, no clock.
class HttpReader {
 public:
  /// Bytes of the whole head.
  static constexpr std::size_t most_bytes = 8'192;

  enum class State { more, ready, bad };

  /// Takes what came next. After ready and bad nothing more is looked at.
  State add(std::string_view bytes);
  /// Of ready.
  [[nodiscard]] const HttpRequest& request() const noexcept { return request_; }
  /// Of bad: the status to answer, 400, 413, 431 or 505.
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  State refuse(int status);
  State parse(std::string_view head);
  bool parse_line(std::string_view line);
  bool parse_header(std::string_view line);

  std::string head_;
  HttpRequest request_;
  State state_ = State::more;
  int status_ = 0;
  bool has_host_ = false;
  bool is_1_0_ = false;
};

}  // namespace mx_rmq::runtime

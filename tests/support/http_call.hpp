// A plain client of HTTP, for tests of servers.
#pragma once

#include <cstdint>
#include <string>

namespace mx_rmq::test {

// A connection to 127.0.0.1; throws std::runtime_error if nobody listens there.
class HttpCall {
 public:
  explicit HttpCall(std::uint16_t port);
  ~HttpCall();
  HttpCall(const HttpCall&) = delete;
  HttpCall& operator=(const HttpCall&) = delete;

  // False: the other end has closed it.
  bool send(const std::string& bytes);
  // All that comes until the other end closes.
  std::string read_all();

 private:
  int fd_ = -1;
};

// The whole answer to GET `target`; `headers` are lines with \r\n behind each.
std::string http_get(std::uint16_t port, const std::string& target,
                     const std::string& headers = "Host: localhost\r\n");
// What stands behind the head.
std::string http_body(const std::string& answer);

}  // namespace mx_rmq::test

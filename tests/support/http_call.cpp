#include "support/http_call.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace mx_rmq::test {

HttpCall::HttpCall(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
    if (fd_ >= 0) ::close(fd_);
    throw std::runtime_error("nobody listens on port " + std::to_string(port));
  }
}

HttpCall::~HttpCall() { ::close(fd_); }

bool HttpCall::send(const std::string& bytes) {
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

std::string HttpCall::read_all() {
  std::string out;
  std::array<char, 65'536> space{};
  for (ssize_t size = 0; (size = ::recv(fd_, space.data(), space.size(), 0)) > 0;)
    out.append(space.data(), static_cast<std::size_t>(size));
  return out;
}

std::string http_get(std::uint16_t port, const std::string& target, const std::string& headers) {
  HttpCall call(port);
  call.send("GET " + target + " HTTP/1.1\r\n" + headers + "\r\n");
  return call.read_all();
}

std::string http_body(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace mx_rmq::test

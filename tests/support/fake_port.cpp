#include "support/fake_port.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace mx_rmq::test {

FakePort::FakePort(Answer answer) : answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("FakePort: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakePort::~FakePort() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string FakePort::speak_tls(std::string_view first) {
  return first.front() == '\x16' ? std::string("\x15\x03\x03\x00\x02\x02\x28", 7) : std::string();
}

void FakePort::serve() {
  while (!ending_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;  // shut down, or gone already
    ++accepted_;
    pollfd polled{connection, POLLIN, 0};
    char first[512];
    // A client that says nothing is not waited for for ever.
    if (::poll(&polled, 1, 5000) == 1) {
      const ssize_t got = ::recv(connection, first, sizeof first, 0);
      if (got > 0) {
        const std::string reply = answer_(std::string_view(first, static_cast<std::size_t>(got)));
        ::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
        // What was not read yet would make the end a reset, which may overtake the reply.
        if (!reply.empty()) {
          ::shutdown(connection, SHUT_WR);
          while (::poll(&polled, 1, 1000) == 1 && ::recv(connection, first, sizeof first, 0) > 0) {
          }
        }
      }
    }
    ::close(connection);
  }
}

}  // namespace mx_rmq::test

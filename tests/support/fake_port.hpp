// A port of 127.0.0.1 at which no Redis listens.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace mx_rmq::test {

// A thread that accepts, and answers the first bytes of each connection once. Members may be called
// from any thread.
class FakePort {
 public:
  // What to answer to the bytes that came first; the connection ends after it. "": it ends without
  // a word.
  using Answer = std::function<std::string(std::string_view)>;

  // Throws std::runtime_error if it cannot listen.
  explicit FakePort(Answer answer);
  ~FakePort();
  FakePort(const FakePort&) = delete;
  FakePort& operator=(const FakePort&) = delete;

  int port() const noexcept { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  int accepted() const noexcept { return accepted_; }

  // As the port of a Redis that is there for TLS only: a hello of TLS gets an alert, anything else
  // the end.
  static std::string speak_tls(std::string_view first);

 private:
  void serve();

  const Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> accepted_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace mx_rmq::test

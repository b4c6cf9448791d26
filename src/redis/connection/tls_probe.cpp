#include "redis/connection/tls_probe.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace mx_rmq::redis {

namespace {

using namespace std::chrono_literals;

constexpr auto longest_wait = 1s;

// The head of a TLS record and a ClientHello of TLS 1.2 without extensions that offers two old
// suites. Servers answer with a handshake or an alert. It has no line feed, so that it is no line
// to a Redis either.
SharedBytes client_hello() {
  static constexpr char begin[] = "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";
  static constexpr char end[] = "\x00\x00\x04\x00\x2f\x00\x35\x01\x00";
  static const std::string hello = std::string(begin, sizeof begin - 1) + std::string(32, '\x2a') +
                                   std::string(end, sizeof end - 1);
  return {std::shared_ptr<const char>(hello.data(), [](const char*) noexcept {}), hello.size()};
}

}  // namespace

TlsProbe::TlsProbe(runtime::EventLoop& loop, const Seams& seams, const Address& address,
                   std::function<void(bool)> done)
    : loop_(loop), done_(std::move(done)), transport_(seams.transport(*this)) {
  timer_ = loop_.call_at(loop_.now() + longest_wait, [this] {
    timer_ = {};
    end(false);
  });
  transport_->connect(address);
}

TlsProbe::~TlsProbe() {
  if (timer_) loop_.cancel(timer_);
}

void TlsProbe::on_connected() noexcept {
  const std::array<SharedBytes, 1> hello{client_hello()};
  static_cast<void>(transport_->write(hello, 0));  // it fits into any socket's buffer
}

void TlsProbe::on_bytes(std::string_view bytes) noexcept {
  end(bytes.front() == '\x15' || bytes.front() == '\x16');
}

void TlsProbe::on_lost(std::string_view) noexcept { end(false); }

void TlsProbe::end(bool speaks_tls) noexcept {
  if (done_ == nullptr) return;
  transport_->close();
  const std::function<void(bool)> done = std::exchange(done_, nullptr);
  done(speaks_tls);
}

}  // namespace mx_rmq::redis

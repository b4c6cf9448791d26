#include "redis/connection/port_probe.hpp"

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

SharedBytes ping() { return Command::of("PING").bytes(); }

// The head of a handshake or an alert.
bool begins_tls(std::string_view answer) noexcept {
  return answer.front() == '\x15' || answer.front() == '\x16';
}

// "+PONG", or an error: a password is wanted, say.
bool begins_resp(std::string_view answer) noexcept {
  return answer.front() == '+' || answer.front() == '-';
}

}  // namespace

PortProbe::PortProbe(runtime::EventLoop& loop, const Seams::TransportFactory& plain,
                     const Address& address, Question question, std::function<void(bool)> done)
    : loop_(loop), question_(question), done_(std::move(done)), transport_(plain(*this)) {
  timer_ = loop_.call_at(loop_.now() + longest_wait, [this] {
    timer_ = {};
    end(false);
  });
  transport_->connect(address);
}

PortProbe::~PortProbe() {
  if (timer_) loop_.cancel(timer_);
}

void PortProbe::on_connected() noexcept {
  const std::array<SharedBytes, 1> word{question_ == Question::speaks_tls ? client_hello()
                                                                          : ping()};
  static_cast<void>(transport_->write(word, 0));  // it fits into any socket's buffer
}

void PortProbe::on_bytes(std::string_view bytes) noexcept {
  end(question_ == Question::speaks_tls ? begins_tls(bytes) : begins_resp(bytes));
}

void PortProbe::on_lost(std::string_view) noexcept { end(false); }

void PortProbe::end(bool yes) noexcept {
  if (done_ == nullptr) return;
  transport_->close();
  const std::function<void(bool)> done = std::exchange(done_, nullptr);
  done(yes);
}

}  // namespace mx_rmq::redis

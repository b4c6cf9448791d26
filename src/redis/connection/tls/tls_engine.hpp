#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "redis/connection/tls/tls_failure.hpp"
#include "redis/connection/tls/tls_handles.hpp"
#include "redis/connection/tls/tls_options.hpp"

namespace mx_rmq::redis {

/// Our end of one TLS connection, without a socket: what comes from the network is fed to it, what
/// has to go there is taken from it. No callback, no clock. It fails for good.
class TlsEngine {
 public:
  enum class State : std::uint8_t {
    handshaking,
    open,   ///< the server is who it should be, and both may talk
    ended,  ///< the server said goodbye
    failed  ///< see why()
  };
  using KeepSession = std::function<void(TlsSessionPtr)>;

  /// `name` is whom the certificate must name: a host, or a numeric address. `keep` is handed each
  /// session that the server offers, and must not throw. The options must outlive it.
  TlsEngine(TlsContextPtr context, const TlsOptions& options, const std::string& name,
            TlsSessionPtr session, KeepSession keep);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  /// Begins the handshake: there is something to take then.
  void begin();
  /// What came from the network, in any pieces. While it is open `read` must be called until it
  /// gives nothing before the next call of this.
  void feed(std::string_view bytes);
  /// Decrypted bytes; 0: none at present.
  [[nodiscard]] std::size_t read(char* into, std::size_t size);
  /// Encrypts all of it. False: it failed.
  bool write(std::string_view bytes);
  /// Says goodbye, if that makes sense.
  void say_goodbye();
  /// What is to go to the network; it is the caller's then.
  [[nodiscard]] std::string take_output();
  [[nodiscard]] bool has_output() const noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Why it failed, and what to do.
  [[nodiscard]] const std::string& why() const noexcept { return why_; }
  /// The server has sent nothing that its certificate, or ours, could have stood for: if it ends
  /// the connection now, that may be because of them.
  [[nodiscard]] bool heard() const noexcept { return heard_; }
  /// It asked who we are.
  [[nodiscard]] bool asked_for_certificate() const noexcept { return asked_; }
  [[nodiscard]] bool resumed() const noexcept { return resumed_; }
  /// "TLSv1.3", for the log.
  [[nodiscard]] std::string_view version() const noexcept;

 private:
  /// What OpenSSL takes for the network.
  struct Wire {
    std::string_view in;
    std::string out;
  };
  struct Calls;  // what OpenSSL calls

  void expect(const std::string& name);
  void go_on();
  [[nodiscard]] bool verify_again();
  void fail(std::string why);
  void fail_as_openssl_says();

  const TlsContextPtr context_;
  const TlsOptions& options_;
  std::string name_;
  KeepSession keep_;
  Wire wire_;
  std::unique_ptr<ssl_st, TlsFree> ssl_;
  State state_ = State::handshaking;
  std::string why_;
  TlsVerdict verdict_;
  bool heard_ = false;
  bool anything_ = false;  // a byte came from the network
  bool asked_ = false;
  bool resumed_ = false;
};

}  // namespace mx_rmq::redis

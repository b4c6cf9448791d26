// The server's end of a TLS connection, in memory: no socket, no clock.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/certificates.hpp"

namespace mx_rmq::redis {

// What the server is; shared by the connections to it, so that sessions can be resumed.
struct TlsPeerOptions {
  test::Certificate certificate = test::CommonCertificates::get().server;
  test::Certificate authority = test::CommonCertificates::get().authority;  // of its clients
  bool wants_certificate = false;
  int least_version = TLS1_2_VERSION;
  int most_version = TLS1_3_VERSION;
};

class TlsPeerContext {
 public:
  explicit TlsPeerContext(const TlsPeerOptions& options = {})
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, options.least_version);
    SSL_CTX_set_max_proto_version(context, options.most_version);
    SSL_CTX_use_certificate(context, options.certificate.x509());
    SSL_CTX_use_PrivateKey(context, options.certificate.key());
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("test"), 4);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), options.authority.x509());
    if (options.wants_certificate) {
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  SSL_CTX* get() const { return context_.get(); }

 private:
  std::shared_ptr<SSL_CTX> context_;
};

class TlsPeer {
 public:
  explicit TlsPeer(const TlsPeerContext& context)
      : ssl_(SSL_new(context.get()), SSL_free),
        in_(BIO_new(BIO_s_mem())),
        out_(BIO_new(BIO_s_mem())) {
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_accept_state(ssl_.get());
  }

  // Takes what came; goes on with the handshake; decrypts.
  void feed(std::string_view bytes) {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    ERR_clear_error();
    if (!open() && !failed_) {
      const int done = SSL_do_handshake(ssl_.get());
      if (done != 1 && SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) fail();
    }
    if (!open() || failed_) return;
    char buffer[4096];
    std::size_t count = 0;
    while (SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count) == 1) {
      received_.append(buffer, count);
    }
    switch (SSL_get_error(ssl_.get(), 0)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_ZERO_RETURN:
        goodbye_ = true;
        break;
      default:
        fail();
    }
  }
  // What is to go to the client.
  std::string take() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string bytes(data, static_cast<std::size_t>(size));
    static_cast<void>(BIO_reset(out_));
    return bytes;
  }
  std::string received() { return std::exchange(received_, {}); }
  void send(std::string_view text) {
    std::size_t count = 0;
    if (SSL_write_ex(ssl_.get(), text.data(), text.size(), &count) != 1) {
      throw std::runtime_error("TlsPeer: cannot write");
    }
  }
  void say_goodbye() { SSL_shutdown(ssl_.get()); }

  bool open() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  bool failed() const { return failed_; }
  const std::string& why() const { return why_; }
  bool goodbye() const { return goodbye_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  // The name that the client asked for; empty: none.
  std::string asked_for() const {
    const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  bool knows_client() const {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    return certificate != nullptr;
  }
  SSL* ssl() const { return ssl_.get(); }

 private:
  void fail() {
    failed_ = true;
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    why_ = reason == nullptr ? "?" : reason;
    ERR_clear_error();
  }

  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  BIO* in_;
  BIO* out_;
  std::string received_;
  bool failed_ = false;
  bool goodbye_ = false;
  std::string why_;
};

}  // namespace mx_rmq::redis

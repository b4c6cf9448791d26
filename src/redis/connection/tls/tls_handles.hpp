#pragma once

#include <memory>

// OpenSSL's types, by their tags: its headers are for the sources beside this one only.
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_st;
struct x509_store_ctx_st;

namespace mx_rmq::redis {

/// SSL_CTX; connections keep the one that they began with.
using TlsContextPtr = std::shared_ptr<ssl_ctx_st>;

/// SSL_SESSION_free.
struct TlsSessionFree {
  void operator()(ssl_session_st* session) const noexcept;
};
/// SSL_SESSION: with it a later handshake is short.
using TlsSessionPtr = std::unique_ptr<ssl_session_st, TlsSessionFree>;

/// SSL_free.
struct TlsFree {
  void operator()(ssl_st* ssl) const noexcept;
};

}  // namespace mx_rmq::redis

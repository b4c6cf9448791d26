#include "redis/connection/tls/tls_engine.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "runtime/text.hpp"

#ifdef MX_RMQ_WITH_TLS

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace mx_rmq::redis {

namespace {

constexpr std::size_t most_shown_of_an_answer = 60;

bool numeric_address(const std::string& name) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

// As certificates have it: an address without its zone, a host without the dot of the root.
std::string as_certified(std::string name) {
  const std::string address = name.substr(0, name.find('%'));
  if (numeric_address(address)) return address;
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace

void TlsFree::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

struct TlsEngine::Calls {
  static TlsEngine& engine_of(const SSL* ssl) noexcept {
    return *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  }

  // --- the network, as OpenSSL sees it ---

  static int read(BIO* bio, char* into, int size) noexcept {
    BIO_clear_retry_flags(bio);
    Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
    if (wire.in.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t count = std::min(wire.in.size(), static_cast<std::size_t>(size));
    std::memcpy(into, wire.in.data(), count);
    wire.in.remove_prefix(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* bytes, int size) noexcept {
    BIO_clear_retry_flags(bio);
    try {
      static_cast<Wire*>(BIO_get_data(bio))->out.append(bytes, static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
      return -1;
    }
    return size;
  }
  static long control(BIO*, int command, long, void*) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO_METHOD* make_wire() {
    BIO_METHOD* const method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mx_rmq wire");
    if (method == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(method, read);
    BIO_meth_set_write(method, write);
    BIO_meth_set_ctrl(method, control);
    return method;
  }
  // As long as the process: connections may outlive every other static thing.
  static BIO_METHOD* wire() {
    static BIO_METHOD* const method = make_wire();
    return method;
  }

  // --- what it asks and tells ---

  static int on_session(SSL* ssl, SSL_SESSION* session) noexcept {
    TlsSessionPtr ours(session);
    try {
      engine_of(ssl).keep_(std::move(ours));
    } catch (const std::bad_alloc&) {
      return 1;  // the next handshake is a long one
    }
    return 1;  // it was handed over
  }
  static int on_certificate_request(SSL* ssl, void*) noexcept {
    engine_of(ssl).asked_ = true;
    return 1;
  }
  static int on_certificate(int ok, X509_STORE_CTX* store) noexcept {
    if (ok == 1) return 1;
    const auto* const ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    note(engine_of(ssl), store);
    return 0;
  }
  static void note(TlsEngine& engine, X509_STORE_CTX* store) noexcept {
    try {
      engine.verdict_ = TlsVerdict::of(store);
    } catch (const std::bad_alloc&) {
      engine.verdict_.code = X509_V_ERR_OUT_OF_MEM;
    }
  }
};

TlsEngine::TlsEngine(TlsContextPtr context, const TlsOptions& options, const std::string& name,
                     TlsSessionPtr session, KeepSession keep)
    : context_(std::move(context)), options_(options), keep_(std::move(keep)) {
  ERR_clear_error();
  SSL_CTX_sess_set_new_cb(context_.get(), Calls::on_session);
  SSL_CTX_set_cert_cb(context_.get(), Calls::on_certificate_request, nullptr);
  ssl_.reset(SSL_new(context_.get()));
  BIO* const wire = BIO_new(Calls::wire());
  if (ssl_ == nullptr || wire == nullptr) {
    BIO_free(wire);
    throw std::bad_alloc();
  }
  BIO_set_data(wire, &wire_);
  BIO_set_init(wire, 1);
  SSL_set_bio(ssl_.get(), wire, wire);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_connect_state(ssl_.get());
  expect(name);
  if (session != nullptr) SSL_set_session(ssl_.get(), session.get());
}

TlsEngine::~TlsEngine() = default;

// Set at every connection: nothing of it is inherited from an earlier one.
void TlsEngine::expect(const std::string& name) {
  name_ = as_certified(name);
  const bool address = numeric_address(name_);
  // An address may not stand there (RFC 6066).
  bool set = address || SSL_set_tlsext_host_name(ssl_.get(), name_.c_str()) == 1;
  if (options_.verify) {
    SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl_.get());
    set = set && (address ? X509_VERIFY_PARAM_set1_ip_asc(expected, name_.c_str()) == 1
                          : SSL_set1_host(ssl_.get(), name_.c_str()) == 1);
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, Calls::on_certificate);
  } else {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);
  }
  if (!set) {
    throw TlsError("tls_server_name: no certificate can be for " +
                   runtime::text::quoted(name_, 200) + ": " + openssl_errors());
  }
}

void TlsEngine::begin() { go_on(); }

void TlsEngine::feed(std::string_view bytes) {
  if (bytes.empty() || state_ == State::failed || state_ == State::ended) return;
  assert(wire_.in.empty() && "what came before was read");
  // A handshake or an alert; OpenSSL would speak of a wrong version.
  if (!std::exchange(anything_, true) && bytes[0] != '\x15' && bytes[0] != '\x16') {
    return fail("it does not speak TLS: it answered " +
                runtime::text::quoted(bytes, most_shown_of_an_answer) +
                "; redis_url must name the server's port for TLS, or begin with redis:// if it "
                "has none");
  }
  wire_.in = bytes;
  if (state_ == State::handshaking) go_on();
}

void TlsEngine::go_on() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    resumed_ = SSL_session_reused(ssl_.get()) == 1;
    if (resumed_ && options_.verify && !verify_again()) {
      return fail(describe(verdict_, name_, options_));
    }
    state_ = State::open;
  } else if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) {
    fail_as_openssl_says();
  }
}

// A resumed handshake shows no certificate: that of the first one is looked at with today's clock
// and today's files.
bool TlsEngine::verify_again() {
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> store(X509_STORE_CTX_new(),
                                                                         X509_STORE_CTX_free);
  verdict_ = {};
  verdict_.code = X509_V_ERR_UNSPECIFIED;
  if (certificate == nullptr || store == nullptr ||
      X509_STORE_CTX_init(store.get(), SSL_CTX_get_cert_store(context_.get()), certificate,
                          SSL_get_peer_cert_chain(ssl_.get())) != 1) {
    return false;
  }
  X509_STORE_CTX_set_default(store.get(), "ssl_server");
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(store.get());
  X509_VERIFY_PARAM_set_auth_level(parameters, SSL_get_security_level(ssl_.get()));
  X509_VERIFY_PARAM_set1(parameters, SSL_get0_param(ssl_.get()));
  const bool good = X509_verify_cert(store.get()) == 1;
  if (!good) Calls::note(*this, store.get());
  return good;
}

std::size_t TlsEngine::read(char* into, std::size_t size) {
  if (state_ != State::open) return 0;
  ERR_clear_error();
  std::size_t count = 0;
  if (SSL_read_ex(ssl_.get(), into, size, &count) == 1) {
    heard_ = true;
    return count;
  }
  switch (SSL_get_error(ssl_.get(), 0)) {
    case SSL_ERROR_WANT_READ:
      break;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::ended;
      break;
    default:
      fail_as_openssl_says();
      break;
  }
  return 0;
}

bool TlsEngine::write(std::string_view bytes) {
  if (state_ != State::open) return false;
  ERR_clear_error();
  std::size_t count = 0;
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count) == 1) return true;
  fail_as_openssl_says();
  return false;
}

void TlsEngine::say_goodbye() {
  if (state_ != State::open && state_ != State::ended) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string TlsEngine::take_output() { return std::exchange(wire_.out, {}); }
bool TlsEngine::has_output() const noexcept { return !wire_.out.empty(); }

void TlsEngine::fail(std::string why) {
  state_ = State::failed;
  wire_.in = {};
  why_ = std::move(why);
}

void TlsEngine::fail_as_openssl_says() {
  // The verdict before the queue, which only says that there is one.
  if (verdict_.code != 0) {
    ERR_clear_error();
    return fail(describe(verdict_, name_, options_));
  }
  fail(describe_failure());
}

std::string_view TlsEngine::version() const noexcept { return SSL_get_version(ssl_.get()); }

}  // namespace mx_rmq::redis

#endif

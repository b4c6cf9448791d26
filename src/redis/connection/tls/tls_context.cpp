#include "redis/connection/tls/tls_context.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/tls/tls_failure.hpp"
#include "runtime/text.hpp"

#ifdef MX_RMQ_WITH_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace mx_rmq::redis {

namespace {

[[noreturn]] void refuse_file(std::string_view field, const std::string& path,
                              const std::string& why) {
  throw TlsError(std::string(field) + ": " + runtime::text::quoted(path, 200) + ' ' + why);
}

// Without this a file that cannot be opened would be told in OpenSSL's words.
void must_be_readable(std::string_view field, const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    refuse_file(field, path, "cannot be read: " + std::string(std::strerror(errno)));
  }
  ::close(descriptor);
}

// Asked when a key has a passphrase: OpenSSL's own way is to ask at the terminal, and to wait.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

void use_certificate(ssl_ctx_st* context, const TlsOptions& options) {
  if (options.cert_file.empty()) return;
  must_be_readable("tls_cert_file", options.cert_file);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1) {
    refuse_file("tls_cert_file", options.cert_file,
                "holds no certificate in PEM form that can be used: " + openssl_errors());
  }
  const bool apart = !options.key_file.empty();
  const std::string_view field = apart ? "tls_key_file" : "tls_cert_file";
  const std::string& path = apart ? options.key_file : options.cert_file;
  must_be_readable(field, path);
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
  ERR_clear_error();
  const bool used = SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (asked) {
    refuse_file(field, path,
                "holds a key with a passphrase, which is not supported: take the passphrase off "
                "(openssl pkey) and protect the file");
  }
  if (!used) {
    const bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    refuse_file(field, path,
                (mismatch ? "holds the key of another certificate than the one in tls_cert_file: "
                          : "holds no key in PEM form that can be used: ") +
                    openssl_errors());
  }
}

void trust(ssl_ctx_st* context, const TlsOptions& options) {
  if (!options.ca_file.empty()) {
    must_be_readable("tls_ca_file", options.ca_file);
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
      refuse_file("tls_ca_file", options.ca_file,
                  "holds no certificate in PEM form: " + openssl_errors());
    }
  }
  if (!options.ca_dir.empty()) {
    must_be_readable("tls_ca_dir", options.ca_dir);
    ERR_clear_error();
    if (SSL_CTX_load_verify_dir(context, options.ca_dir.c_str()) != 1) {
      refuse_file("tls_ca_dir", options.ca_dir, "cannot be used: " + openssl_errors());
    }
  }
  if (options.ca_file.empty() && options.ca_dir.empty() &&
      SSL_CTX_set_default_verify_paths(context) != 1) {
    throw TlsError("the certificates that the system trusts cannot be read: " + openssl_errors() +
                   "; name a file in tls_ca_file");
  }
  // One that was not there may be a passing thing of the files above; it is told at its use.
  ERR_clear_error();
}

TlsContextPtr make_context(const TlsOptions& options) {
  // Loop threads may run while the process ends, when OpenSSL would already have been taken down.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  ERR_clear_error();
  TlsContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) throw TlsError("OpenSSL cannot be used: " + openssl_errors());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle connection has no use for them.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // Ours are kept by TlsSessions.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  trust(context.get(), options);
  use_certificate(context.get(), options);
  return context;
}

std::string system_path(const char* variable, const char* otherwise) {
  const char* const set = std::getenv(variable);
  return set != nullptr ? set : otherwise;
}

}  // namespace

std::string trusted_by(const TlsOptions& options) {
  std::string out;
  if (!options.ca_file.empty()) out = "tls_ca_file " + runtime::text::quoted(options.ca_file, 200);
  if (!options.ca_dir.empty()) {
    if (!out.empty()) out += " and ";
    out += "tls_ca_dir " + runtime::text::quoted(options.ca_dir, 200);
  }
  return out.empty() ? "the certificates of this system" : out;
}

TlsContext::TlsContext(TlsOptions options) : options_(std::move(options)) {
  for (const std::string& each :
       {options_.ca_file, options_.ca_dir, options_.cert_file, options_.key_file}) {
    if (!each.empty()) files_.push_back(each);
  }
  if (options_.ca_file.empty() && options_.ca_dir.empty()) {
    files_.push_back(system_path(X509_get_default_cert_file_env(), X509_get_default_cert_file()));
    files_.push_back(system_path(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()));
  }
}

TlsContext::Stamp TlsContext::stamp(const std::string& path) {
  constexpr std::int64_t second = 1'000'000'000;
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  Stamp out;
  out.there = true;
  out.device = found.st_dev;
  out.inode = found.st_ino;
  out.size = static_cast<std::uint64_t>(found.st_size);
  out.modified_ns = found.st_mtim.tv_sec * second + found.st_mtim.tv_nsec;
  out.changed_ns = found.st_ctim.tv_sec * second + found.st_ctim.tv_nsec;
  return out;
}

std::vector<TlsContext::Stamp> TlsContext::stamps() const {
  std::vector<Stamp> out;
  for (const std::string& each : files_) out.push_back(stamp(each));
  return out;
}

const TlsContextPtr& TlsContext::current() {
  // Before the files are read: a change in between is seen the next time.
  std::vector<Stamp> now = stamps();
  if (context_ != nullptr && now == stamps_) return context_;
  context_ = make_context(options_);
  stamps_ = std::move(now);
  ++generation_;
  return context_;
}

}  // namespace mx_rmq::redis

#endif

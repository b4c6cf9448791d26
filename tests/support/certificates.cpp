#include "support/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <stdexcept>

namespace mx_rmq::test {
namespace {

void must(bool good, const char* what) {
  if (good) return;
  const char* const why = ERR_reason_error_string(ERR_peek_last_error());
  throw std::runtime_error(std::string("certificates: ") + what + ": " +
                           (why == nullptr ? "?" : why));
}

void set_name(X509_NAME* name, const std::string& text) {
  must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(text.data()),
                                  static_cast<int>(text.size()), -1, 0) == 1,
       "name");
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  must(extension != nullptr, value.c_str());
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  must(added, "extension");
}

template <class Write>
std::string written(Write write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  must(bio != nullptr && write(bio) == 1, "PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

}  // namespace

Certificate Certificate::make(const CertificateRequest& request, const Certificate* issuer) {
  Certificate out;
  out.key_.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.certificate_.reset(X509_new(), X509_free);
  X509* const certificate = out.x509();
  must(out.key() != nullptr && certificate != nullptr, "key");
  std::uint64_t serial = 0;
  must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "serial");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1);
  X509_set_version(certificate, 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), static_cast<long>(request.from.count()));
  X509_gmtime_adj(X509_getm_notAfter(certificate), static_cast<long>(request.until.count()));
  X509_set_pubkey(certificate, out.key());
  set_name(X509_get_subject_name(certificate), request.name);
  X509* const by = issuer == nullptr ? certificate : issuer->x509();
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  extend(certificate, by, NID_basic_constraints,
         request.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  extend(certificate, by, NID_subject_key_identifier, "hash");
  if (request.authority) {
    extend(certificate, by, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else if (!request.names.empty()) {
    extend(certificate, by, NID_subject_alt_name, request.names);
  }
  if (!request.purpose.empty()) extend(certificate, by, NID_ext_key_usage, request.purpose);
  must(X509_sign(certificate, issuer == nullptr ? out.key() : issuer->key(), EVP_sha256()) > 0,
       "signature");
  return out;
}

Certificate Certificate::self_signed(const CertificateRequest& request) {
  return make(request, nullptr);
}
Certificate Certificate::issue(const CertificateRequest& request) const {
  return make(request, this);
}

std::string Certificate::pem() const {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, x509()); });
}
std::string Certificate::key_pem() const {
  return written([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}
std::string Certificate::encrypted_key_pem(const std::string& passphrase) const {
  return written([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key(), EVP_aes_256_cbc(), passphrase.data(),
                                         static_cast<int>(passphrase.size()), nullptr, nullptr);
  });
}

const CommonCertificates& CommonCertificates::get() {
  static const CommonCertificates common = [] {
    CertificateRequest authority{.name = "the tests' CA", .names = "", .authority = true};
    CommonCertificates made{Certificate::self_signed(authority), {}, {}};
    made.server = made.authority.issue({.name = "the server"});
    made.client = made.authority.issue({.name = "the client", .names = ""});
    return made;
  }();
  return common;
}

}  // namespace mx_rmq::test

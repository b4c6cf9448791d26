// Keys and certificates that are made when a test runs. Only where the library is built with TLS.
#pragma once

#include <chrono>
#include <memory>
#include <string>

struct evp_pkey_st;
struct x509_st;

namespace mx_rmq::test {

struct CertificateRequest {
  std::string name = "somebody";  // the subject
  // Whom it is for, as OpenSSL's configuration has it; empty: nobody.
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1";
  std::chrono::seconds from = -std::chrono::hours(1);  // from now
  std::chrono::seconds until = std::chrono::hours(24);
  bool authority = false;    // may issue others
  std::string purpose = "";  // "clientAuth": only that; empty: any
};

// A certificate and its key. Throws std::runtime_error where OpenSSL does not do what it should.
class Certificate {
 public:
  static Certificate self_signed(const CertificateRequest& request);
  Certificate issue(const CertificateRequest& request) const;

  std::string pem() const;
  std::string key_pem() const;
  // The key behind it, so that one file holds both.
  std::string both_pem() const { return pem() + key_pem(); }
  std::string encrypted_key_pem(const std::string& passphrase) const;

  x509_st* x509() const { return certificate_.get(); }
  evp_pkey_st* key() const { return key_.get(); }

 private:
  static Certificate make(const CertificateRequest& request, const Certificate* issuer);

  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<evp_pkey_st> key_;
};

// What most tests need: an authority, and a server's certificate by it. Made once a program.
struct CommonCertificates {
  Certificate authority;
  Certificate server;
  Certificate client;
  static const CommonCertificates& get();
};

}  // namespace mx_rmq::test

#include "redis/connection/tls/tls_failure.hpp"

#include <array>
#include <cstddef>
#include <memory>

#include "redis/connection/tls/tls_context.hpp"
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

constexpr std::size_t most_of_a_name = 200;
constexpr int alert_reason = SSL_AD_REASON_OFFSET;

struct BioFree {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

std::string text_in(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

// What a certificate says is in errors and logs: no control bytes, not without end.
std::string shown_name(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return "?";
  std::string out;
  runtime::text::append_escaped(out, text_in(bio.get()).substr(0, most_of_a_name));
  return out.empty() ? "(no name)" : out;
}

std::string shown_time(const ASN1_TIME* time) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || ASN1_TIME_print_ex(bio.get(), time, ASN1_DTFLGS_ISO8601) != 1) return "?";
  return text_in(bio.get());
}

std::string shown_address(const ASN1_OCTET_STRING* address) {
  const unsigned char* const bytes = ASN1_STRING_get0_data(address);
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(address));
  std::string out = "IP:";
  if (size == 4) {
    for (std::size_t i = 0; i < size; ++i) out += (i > 0 ? "." : "") + std::to_string(bytes[i]);
    return out;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < size && i < 16; ++i) {
    if (i > 0 && i % 2 == 0) out += ':';
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

// Whom a certificate is for.
std::string names_of(const X509* certificate) {
  auto* const all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && out.size() < most_of_a_name; ++i) {
    const GENERAL_NAME* const each = sk_GENERAL_NAME_value(all, i);
    std::string one;
    if (each->type == GEN_DNS) {
      const auto* const data =
          reinterpret_cast<const char*>(ASN1_STRING_get0_data(each->d.dNSName));
      const auto size = static_cast<std::size_t>(ASN1_STRING_length(each->d.dNSName));
      one = "DNS:";
      runtime::text::append_escaped(one, std::string_view(data, size).substr(0, most_of_a_name));
    } else if (each->type == GEN_IPADD) {
      one = shown_address(each->d.iPAddress);
    } else {
      continue;
    }
    out += (out.empty() ? "" : ", ") + one;
  }
  GENERAL_NAMES_free(all);
  return out;
}

// An alert of the server's, in words. Of what it may mean the usual is told.
struct AlertMeaning {
  int alert;
  std::string_view text;
};
constexpr std::array alert_meanings{
    AlertMeaning{SSL_AD_HANDSHAKE_FAILURE,
                 "it could agree to nothing: it wants a certificate of ours (tls_cert_file), or "
                 "has no version of TLS or cipher in common with us"},
    AlertMeaning{SSL_AD_PROTOCOL_VERSION,
                 "it speaks no version of TLS that is allowed here (1.2 or later)"},
    AlertMeaning{SSL_AD_INSUFFICIENT_SECURITY, "it wants stronger ciphers than we offer"},
    AlertMeaning{TLS13_AD_CERTIFICATE_REQUIRED,
                 "it wants a certificate of ours: set tls_cert_file and tls_key_file"},
    AlertMeaning{SSL_AD_UNKNOWN_CA,
                 "it does not trust the CA of our certificate (tls_cert_file): take one that its "
                 "tls-ca-cert-file knows, and put intermediate certificates into the file too"},
    AlertMeaning{SSL_AD_CERTIFICATE_EXPIRED,
                 "our certificate (tls_cert_file) has expired: replace the file, which is read "
                 "again at the next connection"},
    AlertMeaning{SSL_AD_CERTIFICATE_REVOKED, "our certificate (tls_cert_file) was revoked"},
    AlertMeaning{SSL_AD_BAD_CERTIFICATE, "it refuses our certificate (tls_cert_file)"},
    AlertMeaning{SSL_AD_CERTIFICATE_UNKNOWN, "it refuses our certificate (tls_cert_file)"},
    AlertMeaning{SSL_AD_UNSUPPORTED_CERTIFICATE,
                 "our certificate (tls_cert_file) is not one for clients"},
    AlertMeaning{SSL_AD_ACCESS_DENIED, "our certificate (tls_cert_file) gives no access"},
    AlertMeaning{SSL_AD_UNRECOGNIZED_NAME,
                 "it does not know the name that we asked for: see tls_server_name"},
};

std::string_view meaning_of_alert(int alert) noexcept {
  for (const AlertMeaning& each : alert_meanings) {
    if (each.alert == alert) return each.text;
  }
  return {};
}

std::string reason_of(unsigned long error) {
  const char* const reason = ERR_reason_error_string(error);
  if (reason != nullptr) return reason;
  std::array<char, 256> buffer{};
  ERR_error_string_n(error, buffer.data(), buffer.size());
  return buffer.data();
}

std::string whose(const TlsVerdict& verdict) {
  const std::string subject = "(" + verdict.certificate + ")";
  if (verdict.depth == 0) return "the server's certificate " + subject;
  return "the certificate " + subject + " in the chain of the server's";
}

}  // namespace

TlsVerdict TlsVerdict::of(x509_store_ctx_st* store) {
  TlsVerdict verdict;
  verdict.code = X509_STORE_CTX_get_error(store);
  verdict.depth = X509_STORE_CTX_get_error_depth(store);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(store);
  if (certificate == nullptr) return verdict;
  verdict.certificate = shown_name(X509_get_subject_name(certificate));
  verdict.issuer = shown_name(X509_get_issuer_name(certificate));
  verdict.from = shown_time(X509_get0_notBefore(certificate));
  verdict.until = shown_time(X509_get0_notAfter(certificate));
  verdict.names = names_of(certificate);
  return verdict;
}

std::string describe(const TlsVerdict& verdict, const std::string& name,
                     const TlsOptions& options) {
  switch (verdict.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return whose(verdict) + " expired at " + verdict.until +
             ": give the server a new one; it is looked at again at each connection";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return whose(verdict) + " is not valid before " + verdict.from +
             ": is this machine's clock right?";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return whose(verdict) + " is signed by itself, and not among those trusted by " +
             trusted_by(options) + ": if it is the right one, name its file in tls_ca_file";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the server's certificate goes back to the CA (" + verdict.certificate +
             "), which is not among those trusted by " + trusted_by(options) +
             ": if it is the right one, name its certificate's file in tls_ca_file";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return whose(verdict) + " was issued by (" + verdict.issuer +
             "), whose own is not among those trusted by " + trusted_by(options) +
             ": name the file of that CA's certificate in tls_ca_file, or have the server send "
             "the intermediate one";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the server's certificate is for " +
             (verdict.names.empty() ? "(" + verdict.certificate + ")" : verdict.names) +
             " and not for " + runtime::text::quoted(name, most_of_a_name) +
             ": name the server in redis_url as its certificate does, or set tls_server_name";
    default:
      break;
  }
  return whose(verdict) + " cannot be trusted: " + X509_verify_cert_error_string(verdict.code) +
         " (trusted by " + trusted_by(options) + ")";
}

std::string describe_failure() {
  const unsigned long error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  const bool of_tls = error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL;
  std::string all = openssl_errors();
  if (of_tls && reason >= alert_reason && reason < alert_reason + 256) {
    std::string out = "the server refused it: ";
    const std::string_view meaning = meaning_of_alert(reason - alert_reason);
    out += meaning.empty() ? std::string_view(all) : meaning;
    if (!meaning.empty()) out += " (" + all + ")";
    return out;
  }
  if (of_tls && reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    return "the server speaks no version of TLS that is allowed here (1.2 or later): have it "
           "speak a newer one (" +
           all + ")";
  }
  return all.empty() ? "OpenSSL does not say why" : all;
}

std::string openssl_errors() {
  std::string out;
  while (const unsigned long error = ERR_get_error()) {
    if (out.size() > most_of_a_name) continue;
    const std::string reason = reason_of(error);
    if (out.find(reason) != std::string::npos) continue;
    out += (out.empty() ? "" : "; ") + reason;
  }
  return out;
}

}  // namespace mx_rmq::redis

#endif

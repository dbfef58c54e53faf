#include "net/tls/explain.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace headrace::net {
namespace {

struct Words {
  int reason;
  const char* text;
};

// Alerts are what the other side tells us; the rest is what we found.
constexpr Words kWords[] = {
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
     "the broker wants a client certificate: give one with --cert and --cert-key"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
     "the client showed no certificate, and tls.client_certificates requires one"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
     "the other side does not trust our certificate: it is not signed by a CA that it knows"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the other side refuses our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the other side says that our certificate has expired"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the other side does not speak TLS 1.2 or 1.3 with us"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the other side speaks a version of TLS before 1.2"},
    {SSL_R_NO_SHARED_CIPHER, "the other side knows no cipher that is accepted here"},
};

std::string words_of(unsigned long code) {
  const int reason = ERR_GET_REASON(code);
  for (const Words& words : kWords) {
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && words.reason == reason) return words.text;
  }
  if (ERR_SYSTEM_ERROR(code)) return "the system refuses it";
  const char* text = ERR_reason_error_string(code);
  return text == nullptr ? "unknown error" : text;
}

}  // namespace

const char* const kClientSpeaksNoTls =
    "the client does not speak TLS, which this port expects: connect with --tls";
const char* const kServerSpeaksNoTls =
    "the server does not speak TLS here: leave --tls out (or https), or is this another port?";

std::string subject_of(const x509_st* certificate) {
  BIO* out = BIO_new(BIO_s_mem());
  const X509_NAME* name = X509_get_subject_name(certificate);
  // RFC 2253 as it is written, but UTF-8 stays readable.
  constexpr unsigned long kStyle = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  std::string text;
  if (out != nullptr && X509_NAME_print_ex(out, name, 0, kStyle) >= 0) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    text.assign(data, static_cast<size_t>(size));
  }
  BIO_free(out);
  return text;
}

std::string peer_subject_of(const ssl_st* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  return subject_of(certificate);
}

std::string last_tls_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  return code == 0 ? "no more is known" : words_of(code);
}

std::string explain_handshake_failure(const ssl_st* ssl) {
  // The first error is the cause, later ones say where it came through.
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  return explain_handshake_failure(ssl, code);
}

std::string explain_handshake_failure(const ssl_st* ssl, unsigned long code) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    std::string text = "the certificate of the other side is not accepted: ";
    text += X509_verify_cert_error_string(verified);
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
      text += " (--server-name says which name it has, if that is right)";
    } else if (SSL_is_server(ssl) == 0) {
      text += " (--ca-file names the CA to trust)";
    }
    return text;
  }
  return code == 0 ? "the other side broke off" : words_of(code);
}

}  // namespace headrace::net

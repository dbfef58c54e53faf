// OpenSSL's errors and names in words. Thread: the error queue is the calling thread's.
#pragma once

#include <string>

struct ssl_st;   // OpenSSL's SSL
struct x509_st;  // and X509

namespace headrace::net {

// RFC 2253, UTF-8: "CN=mail,O=Example".
std::string subject_of(const x509_st* certificate);
// Of the verified certificate of the other side; empty if it showed none.
std::string peer_subject_of(const ssl_st* ssl);

// The newest error of the queue, which is emptied.
std::string last_tls_error();
// Why a handshake failed and what to do about it, for one side. `code` is OpenSSL's, 0: none is
// known. The second form takes it from the error queue, which it empties.
std::string explain_handshake_failure(const ssl_st* ssl, unsigned long code);
std::string explain_handshake_failure(const ssl_st* ssl);

// The first byte of a peer that speaks TLS: a handshake, or an alert.
constexpr bool begins_tls(unsigned char first) {
  return first == 0x16 || first == 0x15;
}
extern const char* const kClientSpeaksNoTls;
extern const char* const kServerSpeaksNoTls;

}  // namespace headrace::net

#include "net/tls/context.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "metrics/log.h"
#include "net/tls/explain.h"

namespace headrace::net {
namespace {

// One file of a context, by the name that its setting has for people.
struct PemFile {
  std::string_view setting;
  const std::string& path;

  bool complain(std::string_view what, std::string* error) const {
    *error = std::string(setting) + ": " + path + ": " + std::string(what);
    return false;
  }
};

bool readable(const PemFile& file, std::string* error) {
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return file.complain(std::strerror(errno), error);
  struct stat status = {};
  const bool regular = ::fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode);
  ::close(fd);
  return regular || file.complain("is a directory", error);
}

// OpenSSL would ask for a passphrase at the terminal.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

TlsContext new_context(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  if (context == nullptr) return nullptr;
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // 128 bits first: a third faster, and nobody breaks them.
  SSL_CTX_set_ciphersuites(raw,
                           "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                           "TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // Idle connections keep no buffers.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  return context;
}

std::string text_of(const ASN1_TIME* time) {
  BIO* out = BIO_new(BIO_s_mem());
  char* data = nullptr;
  std::string text;
  if (out != nullptr && ASN1_TIME_print(out, time) == 1) {
    const long size = BIO_get_mem_data(out, &data);
    text.assign(data, static_cast<size_t>(size));
  }
  BIO_free(out);
  return text;
}

bool valid_now(SSL_CTX* context, const PemFile& file, std::string* error) {
  const X509* own = SSL_CTX_get0_certificate(context);
  const ASN1_TIME* ends = X509_get0_notAfter(own);
  const ASN1_TIME* begins = X509_get0_notBefore(own);
  if (X509_cmp_current_time(ends) < 0) {
    return file.complain("the certificate expired at " + text_of(ends), error);
  }
  if (X509_cmp_current_time(begins) > 0) {
    return file.complain("the certificate is not valid before " + text_of(begins), error);
  }
  return true;
}

bool use_own_certificate(SSL_CTX* context, const PemFile& certificate, const PemFile& key,
                         std::string* error) {
  if (!readable(certificate, error) || !readable(key, error)) return false;
  if (SSL_CTX_use_certificate_chain_file(context, certificate.path.c_str()) != 1) {
    return certificate.complain("is not a certificate in PEM: " + last_tls_error(), error);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.path.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    if (!mismatch) {
      return key.complain("is not a private key in PEM without a passphrase: " + last_tls_error(),
                          error);
    }
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return key.complain("does not belong to the certificate in " + certificate.path, error);
  }
  return valid_now(context, certificate, error);
}

bool ask_for_client_certificate(SSL_CTX* context, const PemFile& ca, bool required,
                                std::string* error) {
  if (!readable(ca, error)) return false;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(ca.path.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, ca.path.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return ca.complain("is not a list of certificates in PEM: " + last_tls_error(), error);
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes them over
  const int must = required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | must, nullptr);
  return true;
}

}  // namespace

bool TlsServerContext::load(std::string* error) {
  ERR_clear_error();
  const TlsContext next = new_context(TLS_server_method());
  if (next == nullptr) {
    *error = "tls: " + last_tls_error();
    return false;
  }
  const PemFile certificate{"tls.certificate", files_.certificate};
  if (!use_own_certificate(next.get(), certificate, {"tls.key", files_.key}, error)) return false;
  if (!files_.client_ca.empty() &&
      !ask_for_client_certificate(next.get(), {"tls.client_ca", files_.client_ca},
                                  files_.client_required, error)) {
    return false;
  }
  const X509* own = SSL_CTX_get0_certificate(next.get());
  log::info("certificate loaded",
            {{"subject", subject_of(own)}, {"expires", text_of(X509_get0_notAfter(own))}});
  current_.store(next);
  return true;
}

TlsContext make_tls_client_context(const TlsClientFiles& files, std::string* error) {
  ERR_clear_error();
  TlsContext context = new_context(TLS_client_method());
  if (context == nullptr) {
    *error = "TLS: " + last_tls_error();
    return nullptr;
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const PemFile ca{"CA file", files.ca_file};
  if (files.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (!readable(ca, error)) {
    return nullptr;
  } else if (SSL_CTX_load_verify_file(context.get(), files.ca_file.c_str()) != 1) {
    ca.complain("is not a list of certificates in PEM: " + last_tls_error(), error);
    return nullptr;
  }
  const bool own = !files.certificate.empty() || !files.key.empty();
  if (own && !use_own_certificate(context.get(), {"certificate", files.certificate},
                                  {"key", files.key}, error)) {
    return nullptr;
  }
  return context;
}

}  // namespace headrace::net

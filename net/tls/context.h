// TLS contexts: what certificates and rules new connections get, from PEM files that are checked
// when they are loaded. TLS 1.3, or 1.2 with forward secrecy; no compression, no renegotiation, no
// resumption (every connection proves its certificate).
#pragma once

#include <atomic>
#include <memory>
#include <string>

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace headrace::net {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

struct TlsServerFiles {
  std::string certificate;  // PEM: the server's own, then what leads to its CA
  std::string key;          // PEM without a passphrase
  std::string client_ca;    // PEM; empty: clients are not asked for a certificate
  bool client_required = true;
};

// What a server shows to new connections. Any thread; connections keep the context they began with.
class TlsServerContext {
 public:
  explicit TlsServerContext(TlsServerFiles files) : files_(std::move(files)) {}

  // Reads and checks the files, at start and again at a reload. False and a sentence in *error that
  // names the setting and the file; what was loaded before stays.
  bool load(std::string* error);
  // nullptr before the first load.
  TlsContext current() const { return current_.load(); }

 private:
  const TlsServerFiles files_;
  std::atomic<TlsContext> current_;
};

struct TlsClientFiles {
  std::string ca_file;      // PEM; empty: the CAs that the system trusts
  std::string certificate;  // PEM chain to show to the server; empty: none
  std::string key;          // PEM without a passphrase
};

// nullptr and a sentence in *error that names the file.
TlsContext make_tls_client_context(const TlsClientFiles& files, std::string* error);

}  // namespace headrace::net

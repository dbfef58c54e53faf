#include "net/tls/session.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstring>

#include "metrics/check.h"
#include "net/tls/explain.h"

namespace headrace::net {
namespace {

constexpr size_t kKeptInput = 1024;  // capacity an idle connection keeps

// What others left in this thread's queue would be taken for ours. Nearly always it is empty, and
// clearing walks it all the same.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

// A BIO over the session's two vectors: OpenSSL's own memory BIOs would copy once more.
struct TlsBio {
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session");
      HR_CHECK(fresh != nullptr);
      BIO_meth_set_read_ex(fresh, TlsSession::read_ciphertext);
      BIO_meth_set_write_ex(fresh, TlsSession::write_ciphertext);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

int TlsSession::read_ciphertext(BIO* bio, char* target, size_t size, size_t* done) {
  auto& session = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *done = std::min(size, session.input_.size() - session.input_at_);
  if (*done == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(target, session.input_.data() + session.input_at_, *done);
  session.input_at_ += *done;
  return 1;
}

int TlsSession::write_ciphertext(BIO* bio, const char* bytes, size_t size, size_t* done) {
  auto& output = static_cast<TlsSession*>(BIO_get_data(bio))->output_;
  BIO_clear_retry_flags(bio);
  const auto* from = reinterpret_cast<const std::byte*>(bytes);
  output.insert(output.end(), from, from + size);
  *done = size;
  return 1;
}

TlsSession::TlsSession(const TlsContext& context, bool accepts) : ssl_(SSL_new(context.get())) {
  HR_CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(TlsBio::method());
  HR_CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);  // takes it over
  if (accepts) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

TlsSession::TlsSession(const TlsContext& context) : TlsSession(context, true) {}

TlsSession::TlsSession(const TlsContext& context, const std::string& host)
    : TlsSession(context, false) {
  in6_addr numeric;
  const bool address = inet_pton(AF_INET, host.c_str(), &numeric) == 1 ||
                       inet_pton(AF_INET6, host.c_str(), &numeric) == 1;
  if (address) {
    HR_CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str()) == 1);
    return;
  }
  SSL_set_tlsext_host_name(ssl_, host.c_str());
  HR_CHECK(!host.empty() && SSL_set1_host(ssl_, host.c_str()) == 1);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

void TlsSession::receive(std::span<const std::byte> ciphertext) {
  if (input_at_ == input_.size()) {
    input_.clear();
    input_at_ = 0;
  }
  if (!first_byte_seen_ && !ciphertext.empty()) {
    first_byte_seen_ = true;
    if (!begins_tls(static_cast<unsigned char>(ciphertext.front()))) {
      const bool accepts = SSL_is_server(ssl_) != 0;
      fail(accepts ? kClientSpeaksNoTls : kServerSpeaksNoTls);
      // An alert, so that a client of this protocol knows what the port speaks: protocol_version.
      constexpr unsigned char kAlert[] = {0x15, 3, 1, 0, 2, 2, 70};
      const auto* from = reinterpret_cast<const std::byte*>(kAlert);
      if (accepts) output_.insert(output_.end(), from, from + sizeof(kAlert));
      return;
    }
  }
  input_.insert(input_.end(), ciphertext.begin(), ciphertext.end());
}

TlsStatus TlsSession::fail(std::string why) {
  if (!failed_) error_ = std::move(why);
  failed_ = true;
  return TlsStatus::failed;
}

TlsStatus TlsSession::status_of(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return TlsStatus::ok;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return TlsStatus::need_more;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStatus::ended;
    default:
      return fail(explain_handshake_failure(ssl_));
  }
}

TlsStatus TlsSession::handshake() {
  if (failed_) return TlsStatus::failed;
  forget_errors();
  const TlsStatus status = status_of(SSL_do_handshake(ssl_));
  if (status == TlsStatus::ok) established_ = true;
  if (status == TlsStatus::ended) return fail("the other side broke off");
  return status;
}

TlsStatus TlsSession::read(std::span<std::byte> target, size_t* size) {
  *size = 0;
  if (failed_) return TlsStatus::failed;
  TlsStatus status = TlsStatus::ok;
  while (status == TlsStatus::ok && *size < target.size()) {
    forget_errors();
    size_t got = 0;
    const int result = SSL_read_ex(ssl_, target.data() + *size, target.size() - *size, &got);
    *size += got;
    status = result == 1 ? TlsStatus::ok : status_of(result);
  }
  if (input_at_ == input_.size() && input_.capacity() > kKeptInput) {
    input_ = {};  // idle connections stay small
    input_at_ = 0;
  }
  return *size > 0 ? TlsStatus::ok : status;  // what ended or failed says so again
}

bool TlsSession::readable() const {
  return failed_ || input_at_ < input_.size() || SSL_pending(ssl_) > 0;
}

bool TlsSession::write(std::span<const std::byte> plaintext) {
  while (!failed_ && !plaintext.empty()) {
    forget_errors();
    size_t taken = 0;
    const int result = SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &taken);
    // Output always has room and renegotiation is off: nothing to wait for.
    if (result != 1 && status_of(result) != TlsStatus::failed) fail("the other side ended");
    plaintext = plaintext.subspan(taken);
  }
  return !failed_;
}

void TlsSession::finish() {
  forget_errors();
  if (!failed_ && established_) SSL_shutdown(ssl_);
}

std::string TlsSession::peer_subject() const {
  return peer_subject_of(ssl_);
}

}  // namespace headrace::net

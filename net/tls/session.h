// One TLS connection without its socket: the owner moves ciphertext between the two. Used over the
// Io seam (net/tls_io.h) and over the client's sockets.
//
// Thread: one at a time. Memory: what was received and not read, and what the owner has not taken
// of output(); the owner bounds both.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls/context.h"

struct ssl_st;
struct bio_st;

namespace headrace::net {

enum class TlsStatus : uint8_t {
  ok,
  need_more,  // ciphertext of the other side
  ended,      // the other side said that it sends no more
  failed,     // error() says why; output() may hold an alert for the other side
};

class TlsSession {
 public:
  // The accepting side.
  explicit TlsSession(const TlsContext& context);
  // The connecting side. `host`: the DNS name or numeric address that the certificate must have.
  TlsSession(const TlsContext& context, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Ciphertext that has arrived.
  void receive(std::span<const std::byte> ciphertext);
  // Ciphertext to send. The owner takes it by swapping; what it leaves stays in front.
  std::vector<std::byte>& output() { return output_; }

  // Until it says ok; nothing else before.
  TlsStatus handshake();
  bool established() const { return established_; }

  // Fills the target as far as what was received goes; ok if that is at least a byte.
  TlsStatus read(std::span<std::byte> target, size_t* size);
  // More to read without receiving.
  bool readable() const;
  // All of it, in records of at most kTlsRecord. False: failed.
  bool write(std::span<const std::byte> plaintext);
  // Says that this side sends no more (close_notify).
  void finish();

  const std::string& error() const { return error_; }
  // RFC 2253; of the verified certificate of the other side, empty if it showed none.
  std::string peer_subject() const;

 private:
  TlsSession(const TlsContext& context, bool accepts);
  TlsStatus status_of(int result);
  TlsStatus fail(std::string why);

  static int read_ciphertext(bio_st* bio, char* target, size_t size, size_t* done);
  static int write_ciphertext(bio_st* bio, const char* bytes, size_t size, size_t* done);
  friend struct TlsBio;

  ssl_st* ssl_ = nullptr;
  std::vector<std::byte> input_;
  size_t input_at_ = 0;  // what OpenSSL has taken of it
  std::vector<std::byte> output_;
  bool first_byte_seen_ = false;
  bool established_ = false;
  bool failed_ = false;
  std::string error_;
};

constexpr size_t kTlsRecord = 16 * 1024;  // plaintext of the longest record

}  // namespace headrace::net

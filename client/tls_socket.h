// TLS over a connected socket: send and receive as with the socket itself, without blocking, errno
// included. Thread: one at a time. Bounded: about 256 KiB of ciphertext wait for the socket.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "net/tls/session.h"

namespace headrace::client {

// How to speak TLS to a broker.
struct TlsOptions {
  net::TlsContext context;  // by net::make_tls_client_context; nullptr: plain
  // DNS name or address that the broker's certificate must have; empty: the host that is connected
  // to.
  std::string server_name;
};

class TlsSocket {
 public:
  // The descriptor stays the caller's. `host`: whose name the certificate must have.
  TlsSocket(int fd, const net::TlsContext& context, const std::string& host)
      : fd_(fd), session_(context, host) {}

  // The first calls do the handshake. As sendmsg and recv: -1 with EAGAIN when the socket must
  // become readable, or writable if wants_write(); EPROTO: TLS failed, error() says why. An end
  // without close_notify is ECONNRESET.
  ssize_t send(std::span<const iovec> parts);
  ssize_t receive(std::span<std::byte> target);
  // What send() took and the socket did not; goes on with flush() or send(). 0, or -1 and errno.
  int flush();
  bool wants_write() const { return sent_ < sending_.size(); }
  // Something is here already: do not wait for the socket before receive().
  bool readable() const { return session_.established() && session_.readable(); }
  const std::string& error() const { return session_.error(); }

 private:
  int handshake();
  int fill();

  const int fd_;
  net::TlsSession session_;
  std::vector<std::byte> sending_;  // from sent_
  size_t sent_ = 0;
  bool ended_ = false;  // by the other side
};

}  // namespace headrace::client

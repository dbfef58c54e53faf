// The Io seam: sockets and time, for one reactor thread. Implementations: UringIo (io_uring.cc, the
// only user of liburing) and SimIo (tests/support, seeded). tests/conformance/io_suite.h is the
// contract.
//
// Threads: everything but wake() is called on the thread that made the object. Callbacks run inside
// poll() only, never inside the call that started the operation (no recursion), and may start new
// operations. At most one receive and one send are outstanding per socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "metrics/time.h"

namespace headrace::net {

struct Endpoint {
  std::string host;   // numeric IPv4/IPv6 address
  uint16_t port = 0;  // 0: the system picks one

  std::string to_string() const;  // "127.0.0.1:7420", "[::1]:7420"
  // Only this machine reaches it. What is not certain is not.
  bool is_loopback() const { return host.starts_with("127.") || host == "::1"; }
};
// "HOST:PORT"; `localhost` means 127.0.0.1. False and a sentence in *error if it is neither.
bool parse_endpoint(std::string_view text, Endpoint* endpoint, std::string* error);

// Slot and generation: a stale id is ignored, never another connection.
struct SocketId {
  uint32_t slot = 0;
  uint32_t generation = 0;

  auto operator<=>(const SocketId&) const = default;
};

class SocketHandler {
 public:
  virtual ~SocketHandler() = default;
  // `bytes` is valid during the call only (a buffer of the ring) for receive_some; for receive_into
  // it is what was filled of the target. Empty: the peer closed its side.
  virtual void on_received(std::span<const std::byte> bytes) = 0;
  virtual void on_sent() = 0;             // everything given to send() has left
  virtual void on_failed(int error) = 0;  // errno of a receive or send; the owner closes
  virtual void on_closed() = 0;           // last callback: every operation has come back
};

class AcceptHandler {
 public:
  virtual ~AcceptHandler() = default;
  virtual void on_accepted(SocketId socket, const Endpoint& peer) = 0;
};

class Io {
 public:
  virtual ~Io() = default;

  virtual Time now() = 0;

  // Accepts until the object ends. nullptr handler: not allowed. Returns 0 or an errno.
  virtual int listen(const Endpoint& wanted, AcceptHandler* handler, Endpoint* bound) = 0;
  virtual void stop_accepting() = 0;

  virtual void attach(SocketId socket, SocketHandler* handler) = 0;
  virtual void receive_some(SocketId socket) = 0;                               // ≤ kSmallReceive
  virtual void receive_into(SocketId socket, std::span<std::byte> target) = 0;  // ≥ 1 byte of it
  // Gathers; `parts` and what they point to stay valid until on_sent or on_closed. ≤ kMaxSendParts.
  virtual void send(SocketId socket, std::span<const iovec> parts) = 0;
  // Half-close: after what was sent the peer reads the end. No send may be outstanding or follow.
  virtual void finish_sending(SocketId socket) = 0;
  virtual void close(SocketId socket) = 0;  // on_closed follows, once, and nothing else
  // Who the other side has proved to be by a verified certificate: RFC 2253. Empty without TLS,
  // without a certificate, and for a stale id.
  virtual std::string peer_subject(SocketId) { return {}; }

  virtual void poll() = 0;                       // submit, reap, call back; never blocks
  virtual void wait(int64_t until_mono_us) = 0;  // sleep until an event, wake() or the time
  virtual void wake() noexcept = 0;              // any thread: end the (next) wait
};

constexpr size_t kSmallReceive = 16 * 1024;
constexpr size_t kMaxSendParts = 256;

struct UringOptions {
  uint32_t entries = 1024;
  uint32_t small_buffers = 256;  // of kSmallReceive each, shared by the reactor's connections
  uint32_t max_sockets = 20'000;
};

// Probes kernel and ring features. On failure returns nullptr and a sentence naming the cause
// (seccomp, sysctl kernel.io_uring_disabled, memlock, kernel older than 6.1) and the fix.
std::unique_ptr<Io> make_uring_io(const UringOptions& options, std::string* error);

}  // namespace headrace::net

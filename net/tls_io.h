// TLS over the Io seam: an Io whose connections are those of another Io, encrypted. Who uses it
// sees plaintext and the same rules; tests/conformance/io_suite.h is the contract of both.
//
// A connection is told to the AcceptHandler once its handshake is done. Until then it is bounded:
// by the time of the handshake, by how many are under way (more are closed at once), and by how
// many steps of handshakes (a signature each) one poll() takes, so that a flood of them delays the
// others of this reactor little. A handshake that fails is told to the peer as an alert and to the
// log in words.
//
// Back-pressure: without a receive nothing is received; at most kSmallReceive bytes of ciphertext
// are held. A send is encrypted in pieces, so a connection holds little more than 128 KiB of
// ciphertext. An end without close_notify fails the receive with ECONNRESET.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/io.h"
#include "net/tls/context.h"

namespace headrace::net {

struct TlsIoOptions {
  int64_t handshake_us = 2 * kMicrosPerSecond;
  size_t max_handshakes = 2'000;  // under way at once; about 50 KiB each
};

// `inner` and `context` outlive it; the context is loaded. The thread is that of `inner`.
std::unique_ptr<Io> make_tls_io(Io* inner, const TlsServerContext* context,
                                const TlsIoOptions& options);

}  // namespace headrace::net

#include "client/tls_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace headrace::client {

namespace {
constexpr size_t kMaxWaiting = 256 * 1024;
constexpr size_t kReceiveAtOnce = 64 * 1024;

int fail_with(int error) {
  errno = error;
  return -1;
}
}  // namespace

int TlsSocket::flush() {
  while (true) {
    if (!wants_write()) {
      sending_.clear();
      sent_ = 0;
      std::swap(sending_, session_.output());
      if (sending_.empty()) return 0;
    }
    const ssize_t sent =
        ::send(fd_, sending_.data() + sent_, sending_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    sent_ += static_cast<size_t>(sent);
  }
}

// Hands what the socket has to the session. 0, or -1 and errno.
int TlsSocket::fill() {
  if (ended_) return fail_with(ECONNRESET);
  std::array<std::byte, kReceiveAtOnce> bytes;
  while (true) {
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) {
      ended_ = true;
      return fail_with(ECONNRESET);
    }
    session_.receive(std::span(bytes).first(static_cast<size_t>(got)));
    return 0;
  }
}

int TlsSocket::handshake() {
  while (!session_.established()) {
    const net::TlsStatus status = session_.handshake();
    if (flush() != 0 && errno != EAGAIN && status != net::TlsStatus::failed) return -1;
    if (status == net::TlsStatus::failed) return fail_with(EPROTO);
    if (status == net::TlsStatus::need_more && fill() != 0) return -1;
  }
  return 0;
}

ssize_t TlsSocket::send(std::span<const iovec> parts) {
  if (handshake() != 0 || flush() != 0) return -1;
  std::array<std::byte, net::kTlsRecord> record;  // short parts travel together
  size_t filled = 0;
  size_t taken = 0;
  for (const iovec& part : parts) {
    std::span<const std::byte> left(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    while (!left.empty() && session_.output().size() < kMaxWaiting) {
      const size_t size = std::min(left.size(), record.size() - filled);
      std::memcpy(record.data() + filled, left.data(), size);
      filled += size;
      taken += size;
      left = left.subspan(size);
      if (filled < record.size()) continue;
      if (!session_.write(record)) return fail_with(EPROTO);
      filled = 0;
    }
    if (!left.empty()) break;
  }
  if (!session_.write(std::span(record).first(filled))) return fail_with(EPROTO);
  if (flush() != 0 && errno != EAGAIN) return -1;
  return static_cast<ssize_t>(taken);
}

ssize_t TlsSocket::receive(std::span<std::byte> target) {
  if (handshake() != 0) return -1;
  while (true) {
    size_t size = 0;
    const net::TlsStatus status = session_.read(target, &size);
    if (status == net::TlsStatus::ok) return static_cast<ssize_t>(size);
    if (status == net::TlsStatus::ended) return 0;
    if (status == net::TlsStatus::failed) return fail_with(EPROTO);
    if (flush() != 0 && errno != EAGAIN) return -1;  // what the protocol itself wants to say
    if (fill() != 0) return -1;
  }
}

}  // namespace headrace::client

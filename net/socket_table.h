// The connected sockets of one UringIo: slots that are reused with a new generation. Thread: the
// reactor's.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "metrics/check.h"
#include "net/io.h"

namespace headrace::net {

struct Socket {
  enum class Receive : uint8_t { none, some, into };

  int fd = -1;
  uint32_t generation = 0;
  SocketHandler* handler = nullptr;
  uint32_t in_kernel = 0;  // operations submitted and not come back
  bool used = false;
  bool closing = false;
  bool finished = false;  // closing, and every operation has come back
  bool sending = false;
  Receive receive = Receive::none;  // outstanding, or waiting for a buffer
  std::span<std::byte> target;      // of Receive::into
  msghdr message = {};              // what is left to send
  size_t unsent = 0;
  std::vector<iovec> rest;  // the parts a short send left over

  void begin_send(std::span<const iovec> parts) {
    unsent = 0;
    for (const iovec& part : parts) unsent += part.iov_len;
    message = {};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
  }

  // `sent` more bytes have left. True: that was all; else `message` has the rest.
  bool advance_send(size_t sent) {
    HR_CHECK(sent <= unsent);
    unsent -= sent;
    std::vector<iovec> remaining;
    for (size_t i = 0; unsent > 0 && i < message.msg_iovlen; ++i) {
      iovec part = message.msg_iov[i];
      const size_t skipped = std::min(sent, part.iov_len);
      sent -= skipped;
      part.iov_base = static_cast<std::byte*>(part.iov_base) + skipped;
      part.iov_len -= skipped;
      if (part.iov_len > 0) remaining.push_back(part);
    }
    rest.swap(remaining);
    message.msg_iov = rest.data();
    message.msg_iovlen = rest.size();
    return unsent == 0;
  }
};

class SocketTable {
 public:
  // nullptr: the id is stale, or the socket is being closed.
  Socket* find(SocketId id) {
    if (id.slot >= sockets_.size()) return nullptr;
    Socket& socket = sockets_[id.slot];
    const bool current = socket.used && socket.generation == id.generation && !socket.closing;
    return current ? &socket : nullptr;
  }
  Socket& operator[](uint32_t slot) { return sockets_[slot]; }
  const std::deque<Socket>& all() const { return sockets_; }
  uint32_t used() const { return used_; }

  SocketId add(int fd) {
    if (free_slots_.empty()) {
      free_slots_.push_back(static_cast<uint32_t>(sockets_.size()));
      sockets_.emplace_back();
    }
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    sockets_[slot].fd = fd;
    sockets_[slot].used = true;
    ++used_;
    return {slot, sockets_[slot].generation};
  }

  void remove(uint32_t slot) {
    const uint32_t next_generation = sockets_[slot].generation + 1;
    sockets_[slot] = Socket{};
    sockets_[slot].generation = next_generation;
    free_slots_.push_back(slot);
    --used_;
  }

 private:
  std::deque<Socket> sockets_;  // stable addresses: the kernel reads `message` when it submits
  std::vector<uint32_t> free_slots_;
  uint32_t used_ = 0;
};

}  // namespace headrace::net

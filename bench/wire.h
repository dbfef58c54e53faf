// Sockets of the load generator: connected and greeted by blocking calls, then non-blocking. Leaner
// than the client library on purpose, because load and broker share the cores: no locks, no maps,
// replies are read by their headers.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/client_options.h"
#include "client/error.h"
#include "client/tls_socket.h"
#include "headrace.pb.h"
#include "metrics/shared_bytes.h"
#include "net/io.h"
#include "net/native/frame.h"

namespace headrace::bench {

int64_t mono_us();
int64_t wall_ms();

class Wire {
 public:
  Wire() = default;
  Wire(Wire&& other) noexcept;
  Wire& operator=(Wire&& other) = delete;
  ~Wire();

  client::Error open(const client::ClientOptions& options);
  int fd() const { return fd_; }

  // Appends bytes to what has to leave; they must stay in place until it has.
  void queue(std::span<const std::byte> bytes) {
    out_.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
  }
  bool has_output() const { return at_ < out_.size() || (tls_ != nullptr && tls_->wants_write()); }
  client::Error flush();  // as much as the socket takes

  // Reads what is there and calls on_frame(header, message, payload) for each whole frame.
  using OnFrame = std::function<client::Error(const net::native::FrameHeader&,
                                              std::span<const std::byte> message,
                                              std::span<const std::byte> payload)>;
  client::Error receive(const OnFrame& on_frame);

  // Blocking convenience, for set-up and one-at-a-time measurements: sends what is queued, waits
  // for the next frame.
  client::Error round_trip(const OnFrame& on_frame);

 private:
  client::Error lost(int error) const;
  client::Error parse(const OnFrame& on_frame, bool* any);

  int fd_ = -1;
  std::unique_ptr<client::TlsSocket> tls_;  // none: plain
  std::vector<iovec> out_;
  size_t at_ = 0;
  std::vector<std::byte> in_;
  size_t filled_ = 0;
};

// One round over several: sends what is queued, waits for one that has something, and calls
// on_frame(index, header, message, payload) for each whole frame. Error: none within 10 s.
using OnFrameOf = std::function<client::Error(size_t index, const net::native::FrameHeader&,
                                              std::span<const std::byte> message,
                                              std::span<const std::byte> payload)>;
client::Error exchange_frames(std::span<Wire* const> wires, const OnFrameOf& on_frame);

}  // namespace headrace::bench

#include "bench/sink.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "headrace.pb.h"
#include "metrics/check.h"
#include "net/native/frame.h"

namespace headrace::bench {

namespace native = net::native;

namespace {
constexpr size_t kSinkReadSize = 256 * 1024;
constexpr int kStopPollMs = 50;
}  // namespace

struct Sink::Peer {
  int fd = -1;
  std::byte header[native::kFrameHeaderSize];
  size_t header_filled = 0;
  size_t body_left = 0;
};

Sink::Sink() : buffer_(kSinkReadSize) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  HR_CHECK(listener_ >= 0 && bind(listener_, generic, size) == 0 && listen(listener_, 64) == 0);
  HR_CHECK(getsockname(listener_, generic, &size) == 0);
  endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
  thread_ = std::thread([this] { run(); });
}

Sink::~Sink() {
  stop_.store(true);
  thread_.join();
  for (const auto& peer : peers_) close(peer->fd);
  close(listener_);
}

// Answers every whole frame with an empty message of its type: HelloOk and PublishBatchOk with
// their defaults. False: the peer has gone.
bool Sink::serve(Peer* peer) {
  const ssize_t got = recv(peer->fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got <= 0) return false;
  std::span<const std::byte> bytes(buffer_.data(), static_cast<size_t>(got));
  while (!bytes.empty()) {
    if (peer->header_filled < native::kFrameHeaderSize) {
      const size_t take = std::min(bytes.size(), native::kFrameHeaderSize - peer->header_filled);
      std::memcpy(peer->header + peer->header_filled, bytes.data(), take);
      peer->header_filled += take;
      bytes = bytes.subspan(take);
      if (peer->header_filled < native::kFrameHeaderSize) break;
      native::FrameHeader header;
      if (native::read_frame_header(peer->header, &header) != native::FrameError::ok) return false;
      peer->body_left = header.message_size + header.payload_size;
    }
    const size_t take = std::min(bytes.size(), peer->body_left);
    bytes = bytes.subspan(take);
    peer->body_left -= take;
    if (peer->body_left > 0) break;
    peer->header_filled = 0;
    native::FrameHeader header;
    native::read_frame_header(peer->header, &header);
    const SharedBytes reply = native::encode_frame(static_cast<native::MessageType>(header.type), 0,
                                                   header.request_id, proto::PublishBatchOk{}, 0);
    if (send(peer->fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return false;
  }
  return true;
}

void Sink::run() {
  std::vector<pollfd> entries;
  while (!stop_.load()) {
    entries.clear();
    entries.push_back({listener_, POLLIN, 0});
    for (const auto& peer : peers_) entries.push_back({peer->fd, POLLIN, 0});
    if (poll(entries.data(), entries.size(), kStopPollMs) <= 0) continue;
    for (size_t i = entries.size() - 1; i > 0; --i) {
      if (entries[i].revents == 0 || serve(peers_[i - 1].get())) continue;
      close(peers_[i - 1]->fd);
      peers_.erase(peers_.begin() + static_cast<ptrdiff_t>(i - 1));
    }
    if (entries[0].revents == 0) continue;
    auto peer = std::make_unique<Peer>();
    peer->fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int on = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (peer->fd >= 0) peers_.push_back(std::move(peer));
  }
}

}  // namespace headrace::bench

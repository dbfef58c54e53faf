#include "bench/wire.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "client/connection.h"
#include "client/login.h"

namespace headrace::bench {

namespace native = net::native;

namespace {
constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kSendParts = 128;
constexpr int kWaitMs = 30'000;
}  // namespace

int64_t mono_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Wire::Wire(Wire&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      on_refusal_(std::move(other.on_refusal_)),
      tls_(std::move(other.tls_)),
      out_(std::move(other.out_)),
      at_(other.at_),
      in_(std::move(other.in_)),
      filled_(other.filled_) {}

Wire::~Wire() {
  if (fd_ >= 0) close(fd_);
}

client::Error Wire::open(const client::ClientOptions& options) {
  const net::Endpoint& server = options.server;
  const client::TlsOptions& tls = options.tls;
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  if (inet_pton(AF_INET, server.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(server.port);
  } else if (inet_pton(AF_INET6, server.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(server.port);
    size = sizeof(sockaddr_in6);
  }
  fd_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    return client::unreachable("cannot connect to " + server.to_string() + ": " +
                               std::strerror(errno));
  }
  if (tls.context != nullptr) {
    const std::string& name = tls.server_name.empty() ? server.host : tls.server_name;
    tls_ = std::make_unique<client::TlsSocket>(fd_, tls.context, name);
  }
  proto::Hello hello = client::hello_of(options);
  hello.set_client("headrace-bench");
  hello.add_codecs("none");
  const SharedBytes frame = native::encode_frame(native::MessageType::hello, 0, 1, hello, 0);
  queue(frame.span());
  sasl::SaltedPassword known;
  client::Login login(options, &known);
  client::Result<client::Login::Next> next;
  SharedBytes proof;  // stays until it has left
  do {
    const client::Error error = round_trip([&](const auto& header, auto message, auto) {
      next = login.next(static_cast<native::MessageType>(header.type), message);
      return next.error;
    });
    if (error) return error;
    if (!next->message) break;
    proof = native::encode_frame(native::MessageType::authenticate, 0, 1, *next->message, 0);
    queue(proof.span());
  } while (true);
  return {};
}

client::Error Wire::flush() {
  while (at_ < out_.size()) {
    msghdr message{};
    message.msg_iov = out_.data() + at_;
    message.msg_iovlen = std::min(out_.size() - at_, kSendParts);
    const ssize_t sent = tls_ != nullptr ? tls_->send({message.msg_iov, message.msg_iovlen})
                                         : sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EAGAIN) return {};
      if (errno == EINTR) continue;
      return lost(errno);
    }
    auto left = static_cast<size_t>(sent);
    while (at_ < out_.size() && left >= out_[at_].iov_len) left -= out_[at_++].iov_len;
    if (left > 0) {
      out_[at_].iov_base = static_cast<std::byte*>(out_[at_].iov_base) + left;
      out_[at_].iov_len -= left;
    }
  }
  out_.clear();
  at_ = 0;
  if (tls_ != nullptr && tls_->flush() != 0 && errno != EAGAIN) return lost(errno);
  return {};
}

client::Error Wire::lost(int error) const {
  if (tls_ != nullptr && error == EPROTO) return client::tls_failed(tls_->error());
  return client::connection_lost(std::strerror(error));
}

client::Error Wire::receive(const OnFrame& on_frame) {
  while (true) {
    // Room for the rest of the frame that began, and for what follows it.
    if (in_.size() < filled_ + kReadSize / 2) in_.resize(filled_ + kReadSize);
    const size_t room = in_.size() - filled_;
    const ssize_t got = tls_ != nullptr ? tls_->receive({in_.data() + filled_, room})
                                        : recv(fd_, in_.data() + filled_, room, MSG_DONTWAIT);
    if (got == 0) return client::connection_lost("the broker closed the connection");
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};
      return lost(errno);
    }
    filled_ += static_cast<size_t>(got);
    bool any = false;
    if (client::Error error = parse(on_frame, &any)) return error;
    if (tls_ == nullptr && static_cast<size_t>(got) < room) return {};
  }
}

client::Error Wire::parse(const OnFrame& on_frame, bool* any) {
  size_t at = 0;
  while (filled_ - at >= native::kFrameHeaderSize) {
    native::FrameHeader header;
    const std::span<const std::byte> rest(in_.data() + at, filled_ - at);
    if (native::read_frame_header(rest, &header) != native::FrameError::ok) {
      return client::bad_reply("the reply is not a frame of this protocol");
    }
    if (rest.size() < header.total_size()) {
      if (in_.size() < header.total_size() + kReadSize) in_.resize(header.total_size() + kReadSize);
      break;
    }
    const auto message = rest.subspan(native::kFrameHeaderSize, header.message_size);
    if ((header.flags & native::kFlagError) != 0) {
      if (on_refusal_ && on_refusal_(header)) {
        *any = true;
        at += header.total_size();
        continue;
      }
      native::Frame frame;
      frame.message = SharedBytes::copy_of(message);
      return client::error_of(frame);
    }
    const auto payload =
        rest.subspan(native::kFrameHeaderSize + header.message_size, header.payload_size);
    if (client::Error error = on_frame(header, message, payload)) return error;
    *any = true;
    at += header.total_size();
  }
  if (at > 0) {
    std::memmove(in_.data(), in_.data() + at, filled_ - at);
    filled_ -= at;
  }
  return {};
}

client::Error Wire::round_trip(const OnFrame& on_frame) {
  bool answered = false;
  const OnFrame noting = [&](const auto& header, auto message, auto payload) {
    answered = true;
    return on_frame(header, message, payload);
  };
  while (!answered) {
    if (client::Error error = flush()) return error;
    pollfd entry{fd_, static_cast<short>(POLLIN | (has_output() ? POLLOUT : 0)), 0};
    if (poll(&entry, 1, kWaitMs) == 0) return client::no_reply("no reply within 30 s");
    if ((entry.revents & ~POLLOUT) == 0) continue;
    if (client::Error error = receive(noting)) return error;
  }
  return {};
}

client::Error exchange_frames(std::span<Wire* const> wires, const OnFrameOf& on_frame) {
  constexpr int kRoundMs = 10'000;
  std::vector<pollfd> entries;
  entries.reserve(wires.size());
  for (Wire* wire : wires) {
    if (client::Error error = wire->flush()) return error;
    const int events = POLLIN | (wire->has_output() ? POLLOUT : 0);
    entries.push_back({wire->fd(), static_cast<short>(events), 0});
  }
  if (poll(entries.data(), entries.size(), kRoundMs) == 0) {
    return client::no_reply("nothing came within 10 s");
  }
  for (size_t i = 0; i < wires.size(); ++i) {
    if ((entries[i].revents & ~POLLOUT) == 0) continue;
    client::Error error = wires[i]->receive([&](const auto& header, auto message, auto payload) {
      return on_frame(i, header, message, payload);
    });
    if (error) return error;
  }
  return {};
}

}  // namespace headrace::bench

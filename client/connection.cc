#include "client/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace headrace::client {

namespace native = net::native;

namespace {
constexpr size_t kStagingSize = 64 * 1024;
constexpr size_t kSendParts = 64;
constexpr int kTlsAlert = 0x15;  // first byte of what a TLS port answers to a plain hello

std::string words(int error) {
  return std::strerror(error);
}
}  // namespace

Error error_of(const native::Frame& frame) {
  proto::Error message;
  if (!message.ParseFromArray(frame.message.data(), static_cast<int>(frame.message.size()))) {
    return bad_reply("the broker sent an error that does not parse");
  }
  return {message.code(), message.name(), message.message(), message.retryable(),
          message.retry_after_ms()};
}

Connection::Connection(Loop* loop, Owner* owner)
    : loop_(loop), owner_(owner), staging_(SharedBytes::allocate(kStagingSize)) {}

Connection::~Connection() {
  loop_->cancel(&hello_timer_);
  loop_->cancel(&flush_timer_);
  loop_->cancel(&receive_timer_);
  if (fd_ >= 0) {
    loop_->unwatch(fd_);
    close(fd_);
  }
}

int Connection::open_socket(const net::Endpoint& endpoint) {
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  sockaddr* address;
  socklen_t size;
  if (endpoint.host.find(':') != std::string::npos) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    if (inet_pton(AF_INET6, endpoint.host.c_str(), &v6.sin6_addr) != 1) return EINVAL;
    address = reinterpret_cast<sockaddr*>(&v6);
    size = sizeof(v6);
  } else {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    if (inet_pton(AF_INET, endpoint.host.c_str(), &v4.sin_addr) != 1) return EINVAL;
    address = reinterpret_cast<sockaddr*>(&v4);
    size = sizeof(v4);
  }
  fd_ = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return errno;
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd_, address, size) != 0 && errno != EINPROGRESS) return errno;
  return 0;
}

void Connection::start(const net::Endpoint& endpoint, const TlsOptions& tls,
                       const proto::Hello& hello, std::unique_ptr<Login> login,
                       int64_t timeout_ms) {
  peer_ = endpoint.to_string();
  tls_options_ = tls;
  if (tls_options_.server_name.empty()) tls_options_.server_name = endpoint.host;
  hello_ = native::encode_frame(native::MessageType::hello, 0, 0, hello, 0);
  login_ = std::move(login);
  timeout_us_ = timeout_ms * 1000;
  state_ = State::connecting;
  start_hello_timer();
  const int error = open_socket(endpoint);
  if (error != 0) {
    // Not from within start(): the owner expects its callbacks later.
    loop_->cancel(&hello_timer_);
    hello_timer_ = loop_->after_us(0, [this, error] {
      fail(unreachable("cannot connect to " + peer_ + ": " + words(error)));
    });
    return;
  }
  wants_write_ = true;
  loop_->watch(fd_, EPOLLIN | EPOLLOUT, [this](uint32_t events) { on_socket(events); });
}

void Connection::start_hello_timer() {
  hello_timer_ = loop_->after_us(timeout_us_, [this] {
    const char* what = state_ == State::connecting ? " does not accept the connection"
                                                   : " does not answer the handshake";
    fail(unreachable(peer_ + what));
  });
}

void Connection::on_socket(uint32_t events) {
  if (state_ == State::connecting) {
    on_connected();
    return;
  }
  if ((events & EPOLLOUT) != 0) flush();
  if (state_ != State::lost && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
  if (tls_ == nullptr || state_ == State::lost) return;
  // What the broker said may have moved the handshake on, or asked TLS for an answer.
  if (tls_->wants_write() || state_ == State::hello) flush();
}

void Connection::on_connected() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(unreachable("cannot connect to " + peer_ + ": " + words(error)));
  state_ = State::hello;
  if (tls_options_.context != nullptr) {
    tls_ = std::make_unique<TlsSocket>(fd_, tls_options_.context, tls_options_.server_name);
  }
  last_received_us_ = Loop::now_us();
  out_.push_back(hello_);
  flush();
}

void Connection::send(SharedBytes head, SharedBytes payload) {
  HR_CHECK(state_ == State::ready);
  out_.push_back(std::move(head));
  if (!payload.empty()) out_.push_back(std::move(payload));
  if (wants_write_ || flush_timer_.first != 0) return;
  // One gather send for everything that this round of the loop queues.
  flush_timer_ = loop_->after_us(0, [this] {
    flush_timer_ = {0, 0};
    flush();
  });
}

void Connection::flush() {
  while (!out_.empty()) {
    iovec parts[kSendParts];
    size_t count = 0;
    for (const SharedBytes& bytes : out_) {
      if (count == kSendParts) break;
      const size_t skip = count == 0 ? out_skip_ : 0;
      parts[count++] = {const_cast<std::byte*>(bytes.data()) + skip, bytes.size() - skip};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t sent =
        tls_ != nullptr ? tls_->send({parts, count}) : sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return want_write(tls_ == nullptr || tls_->wants_write());
      if (errno == EINTR) continue;
      return send_failed(errno);
    }
    size_t left = static_cast<size_t>(sent) + out_skip_;
    while (!out_.empty() && left >= out_.front().size()) {
      left -= out_.front().size();
      out_.pop_front();
    }
    out_skip_ = left;
  }
  if (tls_ != nullptr && tls_->flush() != 0 && errno != EAGAIN) return send_failed(errno);
  want_write(tls_ != nullptr && tls_->wants_write());
}

// What the broker said before it closed may still wait in the receive buffer.
void Connection::send_failed(int error) {
  if (error == EPROTO) return receive_failed(error);
  receive();
  if (state_ != State::lost) fail(connection_lost(peer_ + ": " + words(error)));
}

void Connection::receive_failed(int error) {
  if (error != EPROTO || tls_ == nullptr) {
    return fail(connection_lost(peer_ + ": " + words(error)));
  }
  const std::string why = peer_ + ": " + tls_->error();
  // Before the broker has answered, connecting again meets the same certificates.
  if (state_ == State::hello) return fail(tls_failed(why), true);
  fail(connection_lost(why));
}

void Connection::want_write(bool wanted) {
  if (wanted == wants_write_) return;
  wants_write_ = wanted;
  loop_->rearm(fd_, EPOLLIN | (wanted ? EPOLLOUT : 0u));
}

void Connection::receive() {
  // Bounded, so that one busy socket does not hold the loop; epoll is level-triggered.
  for (int round = 0; round < 16 && state_ != State::lost; ++round) {
    std::byte* target;
    size_t room;
    if (in_frame_) {
      target = incoming_.mutable_data() + incoming_filled_;
      room = incoming_.size() - incoming_filled_;
    } else {
      target = staging_.mutable_data() + staged_;
      room = kStagingSize - staged_;
    }
    const ssize_t got =
        tls_ != nullptr ? tls_->receive({target, room}) : recv(fd_, target, room, 0);
    if (got == 0) return fail(connection_lost(peer_ + " closed the connection"));
    if (got < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR) continue;
      return receive_failed(errno);
    }
    last_received_us_ = Loop::now_us();
    if (!take(static_cast<size_t>(got))) return;
    // TLS gives a record at a time: only EAGAIN says that nothing is left.
    if (tls_ == nullptr && static_cast<size_t>(got) < room) return;
  }
  if (state_ == State::lost || tls_ == nullptr || !tls_->readable()) return;
  if (receive_timer_.first != 0) return;
  receive_timer_ = loop_->after_us(0, [this] {  // epoll does not see what TLS holds
    receive_timer_ = {0, 0};
    receive();
  });
}

bool Connection::take(size_t size) {
  if (in_frame_) {
    incoming_filled_ += size;
    if (incoming_filled_ < incoming_.size()) return true;
    finish_frame();
    return state_ != State::lost;
  }
  staged_ += size;
  if (state_ == State::hello && tls_ == nullptr &&
      std::to_integer<int>(*staging_.data()) == kTlsAlert) {
    fail(tls_failed(peer_ + " speaks TLS: use --tls (ClientOptions::tls)"), true);
    return false;
  }
  while (!in_frame_ && staged_ - parsed_ >= native::kFrameHeaderSize) {
    if (!begin_frame()) return false;
    if (incoming_filled_ == incoming_.size()) finish_frame();
    if (state_ == State::lost) return false;
  }
  staged_ -= parsed_;
  std::memmove(staging_.mutable_data(), staging_.data() + parsed_, staged_);
  parsed_ = 0;
  return true;
}

// Moves the first frame of the staging buffer, as far as it is there, into a block of its own.
bool Connection::begin_frame() {
  const std::span<const std::byte> staged = staging_.span().subspan(parsed_, staged_ - parsed_);
  const native::FrameError error = native::read_frame_header(staged, &incoming_header_);
  if (error != native::FrameError::ok) {
    fail(bad_reply(peer_ + " does not speak this protocol: " + std::string(to_string(error))));
    return false;
  }
  incoming_ = SharedBytes::allocate(incoming_header_.total_size());
  incoming_filled_ = std::min(staged.size(), incoming_.size());
  std::memcpy(incoming_.mutable_data(), staged.data(), incoming_filled_);
  parsed_ += incoming_filled_;
  in_frame_ = true;
  return true;
}

void Connection::finish_frame() {
  in_frame_ = false;
  native::Frame frame;
  frame.header = incoming_header_;
  if (!native::check_frame_crc(incoming_.span(), frame.header)) {
    return fail(bad_reply(peer_ + " sent a frame with a wrong checksum"));
  }
  frame.message = incoming_.slice(native::kFrameHeaderSize, frame.header.message_size);
  frame.payload = incoming_.slice(native::kFrameHeaderSize + frame.header.message_size,
                                  frame.header.payload_size);
  incoming_ = {};
  if (state_ == State::hello) return on_hello_reply(std::move(frame));
  owner_->on_frame(std::move(frame));
}

void Connection::on_hello_reply(native::Frame frame) {
  if ((frame.header.flags & native::kFlagError) != 0) {
    const Error error = error_of(frame);
    return fail(error, !error.retryable);
  }
  const auto next =
      login_->next(static_cast<native::MessageType>(frame.header.type), frame.message.span());
  if (!next.ok()) {
    Error error = next.error;
    error.message = peer_ + ": " + error.message;
    return fail(std::move(error), true);
  }
  loop_->cancel(&hello_timer_);
  if (next->message) {
    start_hello_timer();  // deriving the key may have taken all of its time
    out_.push_back(
        native::encode_frame(native::MessageType::authenticate, 0, 0, *next->message, 0));
    return flush();
  }
  state_ = State::ready;
  owner_->on_ready(next->hello);
}

void Connection::fail(Error error, bool final) {
  if (state_ == State::lost) return;
  state_ = State::lost;
  loop_->cancel(&hello_timer_);
  loop_->cancel(&flush_timer_);
  loop_->cancel(&receive_timer_);
  if (fd_ >= 0) {
    loop_->unwatch(fd_);
    close(fd_);
    fd_ = -1;
  }
  // Later: the caller may be deep inside this object, which the owner is about to destroy.
  hello_timer_ = loop_->after_us(
      0, [owner = owner_, error = std::move(error), final] { owner->on_lost(error, final); });
}

}  // namespace headrace::client

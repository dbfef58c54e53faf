#include "tests/sim/wire.h"

#include <algorithm>

namespace headrace::sim {
namespace {

constexpr int64_t kRetryUs = 200 * kMicrosPerMilli;
constexpr int64_t kSlowReadUs = 5 * kMicrosPerMilli;
constexpr size_t kSlowReadBytes = 200;

}  // namespace

bool Wire::ready() {
  wanted_ = true;
  return greeted_;
}

void Wire::connect() {
  socket_ = world_.connect();
  if (socket_ == nullptr) {
    retry_us_ = world_.now().mono_us + kRetryUs;
    return;
  }
  proto::Hello hello;
  hello.set_client(name_);
  if (tenant_ > 0) {
    hello.set_as_tenant(tenant_name(tenant_));
    hello.set_reason("simulated");
  }
  ask(MessageType::hello, hello, {}, [this](const Reply& reply) { greeted_ = reply.ok(); });
}

void Wire::queue(const SharedBytes& head, std::string_view payload) {
  output_.append(head.view());
  output_.append(payload);
  spoke_us_ = world_.now().mono_us;
}

void Wire::flush() {
  if (output_.empty()) return;
  output_.erase(0, socket_->send(output_));
}

void Wire::step() {
  const int64_t now_us = world_.now().mono_us;
  if (socket_ == nullptr) {
    if (wanted_ && now_us >= retry_us_) connect();
    if (socket_ == nullptr) return;
  }
  receive();
  if (socket_ == nullptr) return;
  if (socket_->was_reset() || (socket_->ended() && input_.size() < net::native::kFrameHeaderSize)) {
    return lose();
  }
  // Somebody who waits for pushes says from time to time that he is there.
  if (greeted_ && now_us - spoke_us_ > 10 * kMicrosPerSecond && on_push_) {
    ask(MessageType::ping, proto::Ping(), {}, [](const Reply&) {});
  }
  flush();
}

void Wire::receive() {
  const int64_t now_us = world_.now().mono_us;
  if (world_.options().slow_readers) {
    if (now_us < read_again_us_) return;
    const std::string some = socket_->receive(kSlowReadBytes);
    if (!some.empty()) read_again_us_ = now_us + kSlowReadUs;
    input_ += some;
  } else {
    input_ += socket_->receive();
  }
  while (socket_ != nullptr && take_frame()) {
  }
}

bool Wire::take_frame() {
  net::native::FrameHeader header;
  const auto bytes = std::as_bytes(std::span(input_));
  const auto error = net::native::read_frame_header(bytes, &header);
  if (error == net::native::FrameError::need_more || input_.size() < header.total_size()) {
    return false;
  }
  if (error != net::native::FrameError::ok || !net::native::check_frame_crc(bytes, header)) {
    broken_why_ = name_ + ": a damaged frame came from the broker";
    lose();
    return false;
  }
  world_.trace(std::string_view(input_).substr(0, header.total_size()));
  world_.heard(tenant_, std::string_view(input_).substr(0, header.total_size()));
  Reply reply;
  reply.kind =
      (header.flags & net::native::kFlagError) != 0 ? Reply::Kind::refused : Reply::Kind::ok;
  reply.message = input_.substr(net::native::kFrameHeaderSize, header.message_size);
  reply.payload =
      input_.substr(net::native::kFrameHeaderSize + header.message_size, header.payload_size);
  input_.erase(0, header.total_size());
  if (reply.kind == Reply::Kind::refused) reply.error = reply.as<proto::Error>();
  if (header.request_id == 0) {
    if (reply.ok() && on_push_) on_push_(reply);
    return true;  // a farewell: the end follows
  }
  const auto asked = waiting_.find(header.request_id);
  if (asked == waiting_.end()) {
    // A subscription that fails later answers its request once more.
    if (reply.kind == Reply::Kind::refused && on_push_) {
      on_push_(reply);
    } else {
      broken_why_ = name_ + ": a reply to nothing that was asked";
    }
    return true;
  }
  const Then then = std::move(asked->second);
  waiting_.erase(asked);
  then(reply);
  return true;
}

void Wire::lose() {
  socket_->close();
  socket_.reset();
  greeted_ = false;
  wanted_ = false;
  input_.clear();
  output_.clear();
  retry_us_ = world_.now().mono_us + static_cast<int64_t>(world_.prng().below(kRetryUs));
  const auto lost = std::exchange(waiting_, {});
  for (const auto& [id, then] : lost) then(Reply{});
}

void Wire::close() {
  if (socket_ != nullptr) lose();
}

int64_t Wire::next_us() const {
  if (socket_ == nullptr) return wanted_ ? retry_us_ : INT64_MAX;
  const int64_t now_us = world_.now().mono_us;
  int64_t next_us = on_push_ ? spoke_us_ + 10 * kMicrosPerSecond + 1 : INT64_MAX;
  if (!output_.empty()) next_us = std::min(next_us, now_us + kSlowReadUs);
  if (world_.options().slow_readers && read_again_us_ > now_us) {
    next_us = std::min(next_us, read_again_us_);
  }
  return next_us;
}

}  // namespace headrace::sim

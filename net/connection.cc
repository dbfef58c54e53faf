#include "net/connection.h"

#include <algorithm>
#include <cstring>

namespace headrace::net {

using native::FrameError;
using native::FrameHeader;
using native::kFrameHeaderSize;

Connection::Connection(Io& io, SocketId socket, const ConnectionLimits& limits, FrameSink* sink)
    : io_(io), socket_(socket), limits_(limits), sink_(sink) {
  HR_CHECK(sink != nullptr);
  HR_CHECK(limits.max_message_bytes <= native::kMaxMessageSize);
  HR_CHECK(limits.max_payload_bytes <= native::kMaxPayloadSize);
  io_.attach(socket_, this);
}

Connection::~Connection() = default;

void Connection::start() {
  arm();
}

// ---- receiving

bool Connection::may_deliver() const {
  return state_ == State::open && !paused_ && !refused_ && !frame_failed_;
}

void Connection::pause() {
  paused_ = true;
}

void Connection::resume() {
  if (!paused_ && !refused_) return;
  paused_ = false;
  refused_ = false;
  if (splitting_ || state_ != State::open) return;  // split() goes on by itself
  const std::vector<std::byte> held = std::exchange(held_, {});
  split(held);
}

void Connection::arm() {
  if (receive_ != Receive::none || input_ended_) return;
  if (state_ == State::farewell || state_ == State::draining) {
    if (drained_bytes_ > kMaxDrainBytes) return;
    receive_ = Receive::some;
    io_.receive_some(socket_);
  } else if (may_deliver()) {
    if (block_) {
      receive_ = Receive::into_block;
      io_.receive_into(socket_,
                       {block_.mutable_data() + block_filled_, block_.size() - block_filled_});
    } else {
      receive_ = Receive::some;
      io_.receive_some(socket_);
    }
  }
}

void Connection::on_received(std::span<const std::byte> bytes) {
  const Receive was = std::exchange(receive_, Receive::none);
  received_bytes_ += bytes.size();
  if (bytes.empty()) input_ended_ = true;
  if (state_ != State::open) return drain(bytes.size());
  if (frame_failed_) return;
  if (was == Receive::into_block) {
    block_filled_ += bytes.size();
    bytes = {};
  }
  split(bytes);
}

// Takes frames off `bytes` as long as the owner wants them, holds the rest and receives on.
void Connection::split(std::span<const std::byte> bytes) {
  splitting_ = true;
  while (may_deliver()) {
    if (!block_ && !(take_header(&bytes) && begin_block(bytes.size()))) break;
    const size_t size = std::min(bytes.size(), block_.size() - block_filled_);
    if (size > 0) std::memcpy(block_.mutable_data() + block_filled_, bytes.data(), size);
    block_filled_ += size;
    bytes = bytes.subspan(size);
    if (block_filled_ < block_.size()) break;
    deliver();
  }
  splitting_ = false;
  if (state_ != State::open || frame_failed_) return;
  HR_CHECK(held_.empty() && bytes.size() <= kSmallReceive);
  held_.assign(bytes.begin(), bytes.end());
  if (input_ended_ && may_deliver() && !end_reported_) {
    end_reported_ = true;
    sink_->on_end_of_input(header_filled_ > 0);
  } else {
    arm();
  }
}

// True once the header is complete; checked with every byte, so garbage is told at once.
bool Connection::take_header(std::span<const std::byte>* bytes) {
  const size_t size = std::min(bytes->size(), kFrameHeaderSize - header_filled_);
  if (size > 0) std::memcpy(header_bytes_.data() + header_filled_, bytes->data(), size);
  header_filled_ += size;
  *bytes = bytes->subspan(size);

  FrameError error = native::read_frame_header({header_bytes_.data(), header_filled_}, &header_);
  if (error == FrameError::need_more) return false;
  if (error == FrameError::ok && header_.message_size > limits_.max_message_bytes) {
    error = FrameError::message_too_large;
  }
  if (error == FrameError::ok && header_.payload_size > limits_.max_payload_bytes) {
    error = FrameError::payload_too_large;
  }
  if (error == FrameError::ok) return true;
  fail(error);
  return false;
}

bool Connection::begin_block(size_t available) {
  if (header_.total_size() - kFrameHeaderSize > available && !sink_->may_receive(header_)) {
    refused_ = true;
    return false;
  }
  if (state_ != State::open) return false;  // closed by may_receive
  block_ = SharedBytes::allocate(header_.total_size());
  std::memcpy(block_.mutable_data(), header_bytes_.data(), kFrameHeaderSize);
  block_filled_ = kFrameHeaderSize;
  return true;
}

void Connection::deliver() {
  if (!native::check_frame_crc(block_.span(), header_)) return fail(FrameError::bad_crc);
  native::Frame frame;
  frame.header = header_;
  const size_t payload_at = kFrameHeaderSize + header_.message_size;
  if (header_.message_size > 0)
    frame.message = block_.slice(kFrameHeaderSize, header_.message_size);
  if (header_.payload_size > 0) frame.payload = block_.slice(payload_at, header_.payload_size);
  block_ = {};
  block_filled_ = 0;
  header_filled_ = 0;
  sink_->on_frame(std::move(frame));
}

void Connection::fail(FrameError error) {
  frame_failed_ = true;
  block_ = {};
  sink_->on_frame_error(error);
}

// What a peer sends after our farewell is dropped, within a bound.
void Connection::drain(size_t size) {
  if (state_ == State::closed) return;
  block_ = {};
  drained_bytes_ += size;
  if (state_ == State::draining && (input_ended_ || drained_bytes_ > kMaxDrainBytes))
    return close();
  arm();
}

// ---- sending

void Connection::send(SharedBytes head) {
  send(std::move(head), std::span<const SharedBytes>{});
}

void Connection::send(SharedBytes head, SharedBytes payload) {
  send(std::move(head), std::span<const SharedBytes>(&payload, 1));
}

void Connection::send(SharedBytes head, std::span<const SharedBytes> payload) {
  if (state_ != State::open) return;
  push(std::move(head));
  for (const SharedBytes& part : payload) push(part);
}

void Connection::push(SharedBytes part) {
  if (part.empty()) return;
  output_bytes_ += part.size();
  queued_.push_back(std::move(part));
}

void Connection::flush() {
  if (state_ != State::open) return;
  if (!sending_) begin_send();
  tell_output_level();
}

void Connection::begin_send() {
  if (outgoing_.empty()) std::swap(outgoing_, queued_);
  if (outgoing_.empty()) return;
  const size_t parts = std::min(outgoing_.size() - outgoing_at_, kMaxSendParts);
  iovecs_.clear();
  for (size_t i = 0; i < parts; ++i) {
    const SharedBytes& part = outgoing_[outgoing_at_ + i];
    iovecs_.push_back({const_cast<std::byte*>(part.data()), part.size()});
  }
  sending_ = true;
  io_.send(socket_, iovecs_);
}

void Connection::on_sent() {
  sending_ = false;
  for (const iovec& part : iovecs_) {
    output_bytes_ -= part.iov_len;
    sent_bytes_ += part.iov_len;
    outgoing_[outgoing_at_++] = {};  // the block may be freed now
  }
  if (outgoing_at_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_at_ = 0;
    if (outgoing_.capacity() > kKeptParts) outgoing_ = {};  // idle connections stay small
    if (iovecs_.capacity() > kKeptParts) iovecs_ = {};
  }
  if (state_ == State::closed) return;
  begin_send();
  if (state_ == State::farewell && !sending_) return begin_drain();
  tell_output_level();
}

void Connection::tell_output_level() {
  if (state_ != State::open) return;
  if (!output_full_ && output_bytes_ > limits_.max_output_bytes) {
    output_full_ = true;
    sink_->on_output_full();
  } else if (output_full_ && output_bytes_ <= limits_.max_output_bytes / 2) {
    output_full_ = false;
    sink_->on_output_drained();
  }
}

// ---- ending

void Connection::close_after_flush() {
  if (state_ != State::open) return;
  state_ = State::farewell;
  held_ = {};
  if (!sending_) begin_send();
  if (!sending_) return begin_drain();
  arm();
}

void Connection::begin_drain() {
  state_ = State::draining;
  if (input_ended_ || drained_bytes_ > kMaxDrainBytes) return close();
  io_.finish_sending(socket_);
  arm();
}

void Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  io_.close(socket_);
}

void Connection::on_failed(int error) {
  if (error_ == 0) error_ = error;
  close();
}

void Connection::on_closed() {
  state_ = State::closed;
  sink_->on_closed(error_);  // may destroy this
}

}  // namespace headrace::net

// One connection of the native protocol: splits received bytes into frames, queues frames to send.
// It knows no clock, no tenant and no message: its owner (a session) does.
//
// Thread: the reactor's; all FrameSink calls come out of Io::poll(), or out of resume() and
// flush(). Ownership: the owner holds the Connection and destroys it in or after
// FrameSink::on_closed, never in another callback.
//
// Receiving. Idle, it waits with receive_some. Whole frames in what arrives are copied into a block
// each (so a payload kept for long pins its own bytes only). A frame that goes on beyond what
// arrived gets its right-sized block at once and the rest is received straight into it.
// Back-pressure: while paused nothing is received, so the peer's sends block; frames that had
// arrived already are held (at most kSmallReceive bytes) and come out of resume().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/shared_bytes.h"
#include "net/io.h"
#include "net/native/frame.h"

namespace headrace::net {

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // A whole frame, its CRC checked. May call anything on the connection, pause() and close() too.
  virtual void on_frame(native::Frame&& frame) = 0;
  // Asked once the header of a frame that has not arrived completely is known, before memory for it
  // is taken. False: the connection waits as if paused, and asks again in resume().
  virtual bool may_receive(const native::FrameHeader&) { return true; }
  // Once; nothing is received any more. The owner sends a farewell and calls close_after_flush().
  virtual void on_frame_error(native::FrameError error) = 0;
  // The peer sends no more (it may still read). The owner answers what it owes, then
  // close_after_flush(). `inside_frame`: it stopped before the end of a frame.
  virtual void on_end_of_input(bool inside_frame) = 0;
  // output_bytes() rose above / fell to half of ConnectionLimits::max_output_bytes: the peer reads
  // slower than we send. The owner decides (stop producing, pause(), close()).
  virtual void on_output_full() = 0;
  virtual void on_output_drained() = 0;
  // The last call: every operation has come back. errno of what broke the connection, 0 if this
  // side closed it.
  virtual void on_closed(int error) = 0;
};

struct ConnectionLimits {
  uint32_t max_message_bytes = native::kMaxMessageSize;  // ≤ kMaxMessageSize
  uint32_t max_payload_bytes = native::kMaxPayloadSize;  // ≤ kMaxPayloadSize
  size_t max_output_bytes = 32u << 20;
};

class Connection final : private SocketHandler {
 public:
  // Attaches to the socket; start() begins to receive.
  Connection(Io& io, SocketId socket, const ConnectionLimits& limits, FrameSink* sink);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();

  void pause();
  void resume();
  bool paused() const { return paused_; }
  bool held_back() const { return paused_ || refused_; }  // the peer may send, nothing is received

  // Queues: `head` (header and message, native::encode_frame), then the payload's parts. Leaves
  // with flush(). Ignored once closing.
  void send(SharedBytes head);
  void send(SharedBytes head, SharedBytes payload);
  void send(SharedBytes head, std::span<const SharedBytes> payload);
  // Once a turn: one gather send. What is queued meanwhile follows when that has left.
  void flush();

  // Queued or being sent.
  size_t output_bytes() const { return output_bytes_; }
  bool output_full() const { return output_full_; }

  // Farewell: sends what is queued, then tells the peer that no more comes and drops what it still
  // sends (at most kMaxDrainBytes: closing with unread input would reset the connection and the
  // farewell might be lost). Closes when the peer closes; the owner calls close() at its deadline.
  void close_after_flush();
  // At once; what is queued is dropped. on_closed follows, once.
  void close();
  bool closing() const { return state_ != State::open; }

  SocketId socket() const { return socket_; }
  std::string peer_subject() const { return io_.peer_subject(socket_); }  // RFC 2253; empty: none
  uint64_t received_bytes() const { return received_bytes_; }  // all so far: tells silence
  uint64_t sent_bytes() const { return sent_bytes_; }          // by completed sends

 private:
  // open → farewell (flushing) → draining (nothing left to send) → closed; close() goes from any.
  enum class State : uint8_t { open, farewell, draining, closed };
  enum class Receive : uint8_t { none, some, into_block };  // what is outstanding

  void on_received(std::span<const std::byte> bytes) override;
  void on_sent() override;
  void on_failed(int error) override;
  void on_closed() override;

  bool may_deliver() const;
  void arm();
  void split(std::span<const std::byte> bytes);
  bool take_header(std::span<const std::byte>* bytes);
  bool begin_block(size_t available);
  void deliver();
  void fail(native::FrameError error);
  void drain(size_t size);
  void push(SharedBytes part);
  void begin_send();
  void tell_output_level();
  void begin_drain();

  static constexpr size_t kKeptParts = 16;  // capacity an idle connection keeps

  Io& io_;
  const SocketId socket_;
  const ConnectionLimits limits_;
  FrameSink* const sink_;
  State state_ = State::open;
  Receive receive_ = Receive::none;
  bool paused_ = false;
  bool refused_ = false;       // may_receive said no: waits for resume()
  bool frame_failed_ = false;  // nothing more is parsed
  bool input_ended_ = false;   // the peer sends no more
  bool end_reported_ = false;
  bool splitting_ = false;  // inside split(): resume() must not start another
  bool sending_ = false;    // a send is outstanding
  bool output_full_ = false;
  int error_ = 0;

  // The frame being assembled: its header bytes, then its block.
  std::array<std::byte, native::kFrameHeaderSize> header_bytes_;
  size_t header_filled_ = 0;
  native::FrameHeader header_;
  SharedBytes block_;  // of header_.total_size(); none until the header is complete
  size_t block_filled_ = 0;
  std::vector<std::byte> held_;  // arrived while paused, not parsed yet

  std::vector<SharedBytes> queued_;    // since the last send began
  std::vector<SharedBytes> outgoing_;  // from outgoing_at_: being sent, iovecs_ of them at a time
  size_t outgoing_at_ = 0;
  std::vector<iovec> iovecs_;
  size_t output_bytes_ = 0;
  size_t drained_bytes_ = 0;
  uint64_t received_bytes_ = 0;
  uint64_t sent_bytes_ = 0;
};

constexpr size_t kMaxDrainBytes = 1u << 20;

}  // namespace headrace::net

// One TCP connection to a broker and its handshake: frames in, frames out. Knows nothing of
// requests; client/client.h matches replies and connects again.
//
// Lives on the loop's thread, all of it. The owner outlives it and may destroy it from any callback
// but on_frame (there it may call fail()).
#pragma once

#include <sys/uio.h>

#include <deque>
#include <memory>
#include <string>

#include "client/error.h"
#include "client/login.h"
#include "client/loop.h"
#include "client/tls_socket.h"
#include "headrace.pb.h"
#include "net/io.h"
#include "net/native/frame.h"

namespace headrace::client {

class Connection {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_ready(const proto::HelloOk& hello) = 0;
    virtual void on_frame(net::native::Frame frame) = 0;
    // Once, last. `final`: the broker refused the hello; connecting again will not help.
    virtual void on_lost(Error error, bool final) = 0;
  };

  Connection(Loop* loop, Owner* owner);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects, says hello and proves who it is; on_ready or on_lost follows.
  void start(const net::Endpoint& endpoint, const TlsOptions& tls, const proto::Hello& hello,
             std::unique_ptr<Login> login, int64_t timeout_ms);
  // Queues a frame (header and message in `head`); it leaves at the end of this loop round or when
  // the socket takes it. Bounded by the caller's window.
  void send(SharedBytes head, SharedBytes payload);

  bool ready() const { return state_ == State::ready; }
  int64_t last_received_us() const { return last_received_us_; }
  void fail(Error error, bool final = false);

 private:
  enum class State { idle, connecting, hello, ready, lost };

  int open_socket(const net::Endpoint& endpoint);
  void on_socket(uint32_t events);
  void on_connected();
  void flush();
  void send_failed(int error);
  void receive();
  void receive_failed(int error);
  bool take(size_t size);  // false: the connection is lost
  bool begin_frame();
  void finish_frame();
  void on_hello_reply(net::native::Frame frame);
  void start_hello_timer();
  void want_write(bool wanted);

  Loop* loop_;
  Owner* owner_;
  State state_ = State::idle;
  int fd_ = -1;
  std::string peer_;
  TlsOptions tls_options_;
  std::unique_ptr<TlsSocket> tls_;  // none: plain
  SharedBytes hello_;
  std::unique_ptr<Login> login_;
  int64_t timeout_us_ = 0;
  Loop::TimerId hello_timer_{};
  Loop::TimerId flush_timer_{};
  Loop::TimerId receive_timer_{};
  int64_t last_received_us_ = 0;

  std::deque<SharedBytes> out_;
  size_t out_skip_ = 0;  // bytes of out_.front() that have left
  bool wants_write_ = false;

  SharedBytes staging_;   // small reads land here
  size_t parsed_ = 0;     // bytes of it that went into frames
  size_t staged_ = 0;     // bytes of it that were received
  SharedBytes incoming_;  // the block of a frame whose header is known
  size_t incoming_filled_ = 0;
  net::native::FrameHeader incoming_header_;
  bool in_frame_ = false;
};

// Header fields of an error frame's message; a message that does not parse becomes bad_reply.
Error error_of(const net::native::Frame& frame);

}  // namespace headrace::client

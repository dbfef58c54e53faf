// A client of one broker: owns one I/O thread and one connection, which it makes when it is first
// needed and again when it breaks (exponential back-off with jitter, up to each request's
// deadline).
//
// Threads: every public function may be called by any thread except where noted; callbacks run on
// the I/O thread and must not block or call the blocking functions. The destructor (not from a
// callback) ends the thread; callbacks of requests still in flight get the error `closed`.
// Producer, Consumer and Group use a Client that must outlive them.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "client/backoff.h"
#include "client/client_options.h"
#include "client/connection.h"
#include "client/error.h"
#include "client/loop.h"
#include "net/native/frame.h"

namespace headrace::client {

struct CallOptions {
  int64_t timeout_ms = 0;  // 0: the client's
  // The request may be sent again after the connection broke or the broker said "retry": only for
  // what has no further effect when it is repeated. Others fail with connection_lost.
  bool repeatable = false;
  SharedBytes payload;
};

inline CallOptions repeatable(bool is = true) {
  CallOptions options;
  options.repeatable = is;
  return options;
}

class Client : private Connection::Owner {
 public:
  using Reply = std::function<void(Error, net::native::Frame)>;

  explicit Client(ClientOptions options);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const ClientOptions& options() const { return options_; }
  Loop& loop() { return loop_; }

  // One request, one reply; the callback comes exactly once. Requests that one thread starts leave
  // in that order, also after a reconnection. Returns the request's id.
  template <class Request>
  uint32_t start(net::native::MessageType type, const Request& request, CallOptions call,
                 Reply reply) {
    const uint32_t id = next_id_.fetch_add(1) + 1;
    const auto size = static_cast<uint32_t>(call.payload.size());
    submit(id, net::native::encode_frame(type, 0, id, request, size), std::move(call),
           std::move(reply));
    return id;
  }

  // Blocks until the reply or the deadline. Error replies that say "retry" are retried if the call
  // is repeatable.
  template <class Answer, class Request>
  Result<Answer> call(net::native::MessageType type, const Request& request,
                      CallOptions options = {}, SharedBytes* payload = nullptr);

  // Answers the broker's handshake, or why there is none until the timeout.
  Result<proto::HelloOk> connect();

  // What a subscription hears, on the I/O thread, until remove_subscription.
  struct Listener {
    std::function<void(const proto::Delivery&, SharedBytes payload)> delivery;
    std::function<void(const proto::GroupDelivery&, SharedBytes payload)> group_delivery;
    std::function<void()> lost;        // the connection broke: subscribe again
    std::function<void(Error)> ended;  // the broker ended it
  };
  // The number goes into proto::Subscribe or proto::SubscribeGroup.
  uint32_t add_subscription(Listener listener);
  // I/O thread. Which request subscribed: an error that answers it later ends the subscription.
  void subscribed_by(uint32_t subscription, uint32_t request);
  void remove_subscription(uint32_t subscription);  // blocks until no callback runs

 private:
  struct Pending {
    uint64_t order = 0;
    SharedBytes head;
    SharedBytes payload;
    int64_t deadline_us = 0;
    bool repeatable = false;
    bool sent = false;  // on the present connection
    uint32_t times_sent = 0;
    Reply reply;
  };
  struct Subscription {
    Listener listener;
    uint32_t request = 0;  // 0: not known
  };

  void submit(uint32_t id, SharedBytes head, CallOptions call, Reply reply);
  Result<net::native::Frame> wait(const std::function<void(Reply, CallOptions)>& start_one,
                                  CallOptions options);
  void run_on_loop(const std::function<void()>& function);  // and wait for its end

  void on_ready(const proto::HelloOk& hello) override;
  void on_frame(net::native::Frame frame) override;
  void on_lost(Error error, bool final) override;

  void on_push(const net::native::Frame& frame);
  void end_subscription(uint32_t request, const Error& error);
  void add_pending(uint32_t id, Pending pending);
  void connect_now();
  void connect_later();
  void tick();
  void schedule_tick();
  void finish(uint32_t id, Error error, net::native::Frame frame);
  void fail_all(const Error& error);
  void ping_if_idle(int64_t now_us);

  const ClientOptions options_;
  const uint64_t seed_;
  std::atomic<uint32_t> next_id_{0};

  // The I/O thread's.
  std::unordered_map<uint32_t, Pending> pending_;
  std::unordered_map<uint32_t, Subscription> subscriptions_;
  sasl::SaltedPassword salted_;  // of options_.password
  std::unique_ptr<Connection> connection_;
  Backoff backoff_;
  Loop::TimerId reconnect_timer_{};
  Loop::TimerId tick_timer_{};
  uint64_t next_order_ = 0;
  int64_t last_ping_us_ = 0;
  int64_t ping_interval_us_ = 10'000'000;
  Error last_error_;  // why there is no connection
  Error farewell_;    // error frame with request id 0: the broker is about to close
  proto::HelloOk hello_;
  std::atomic<uint32_t> next_subscription_{1};

  Loop loop_;  // last: its thread ends before the rest is destroyed
};

template <class Answer>
Result<Answer> parse_reply(const net::native::Frame& frame) {
  Answer answer;
  if (!answer.ParseFromArray(frame.message.data(), static_cast<int>(frame.message.size()))) {
    return bad_reply("the broker's reply does not parse");
  }
  return answer;
}

template <class Answer, class Request>
Result<Answer> Client::call(net::native::MessageType type, const Request& request,
                            CallOptions options, SharedBytes* payload) {
  Result<net::native::Frame> frame =
      wait([&](Reply reply, CallOptions one) { start(type, request, one, std::move(reply)); },
           std::move(options));
  if (!frame.ok()) return frame.error;
  if (payload != nullptr) *payload = frame->payload;
  return parse_reply<Answer>(frame.value);
}

}  // namespace headrace::client

// The part of a Subscriber that talks: subscribes on the client's I/O thread, again after a lost
// connection, and carries what SubscriberCore decides. What several threads touch (the core, the
// state, the error) is under one mutex. Private to subscriber.cc.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "client/subscriber_core.h"

namespace headrace::client {

class SubscriberLink : public std::enable_shared_from_this<SubscriberLink> {
 public:
  SubscriberLink(Client* client, SubscriberOptions options, Subscriber::SettledFunction settled);

  void start();                           // I/O thread
  void stop(std::function<void()> done);  // I/O thread; no callback has an effect after it

  Result<proto::Topic> wait_subscribed();                  // any other thread
  Result<std::optional<Delivered>> poll(int64_t wait_ms);  // any other thread
  void settle(const Delivered& delivered, proto::Verdict verdict, std::string_view error,
              std::optional<int64_t> delay_ms);  // any thread
  Error flush();                                 // any other thread

 private:
  void subscribe();
  void on_reply(uint32_t subscription, const Error& error, const net::native::Frame& frame);
  void on_delivery(const proto::GroupDelivery& delivery, const SharedBytes& payload);
  void on_lost(const Error& why);
  void again(const Error& error);
  void fail(const Error& error);
  void extend_queued_later(uint32_t subscription, int64_t deadline_us);
  void wake_io();
  void pump();
  void send(const SubscriberCore::Request& request);
  void on_settled(uint64_t number, const Error& error, const net::native::Frame& frame);
  void deliver_reports();

  Client* const client_;
  const SubscriberOptions options_;
  const Subscriber::SettledFunction settled_;
  // The I/O thread's.
  uint32_t subscription_ = 0;  // 0: none
  bool subscribed_ = false;    // the broker has said so
  bool stopped_ = false;
  bool resting_ = false;  // the broker was busy: nothing is settled until the pause is over
  Backoff backoff_;

  std::mutex mutex_;
  std::condition_variable changed_;
  SubscriberCore core_;
  proto::Topic topic_;     // its name is empty until the first membership
  int64_t polled_us_ = 0;  // when poll() began or ended last
  bool reporting_ = false;
  bool io_woken_ = false;
  Error error_;
  Error last_error_;  // why there is no membership yet
  Error failure_;     // first outcome that was not taken since the last flush
};

}  // namespace headrace::client

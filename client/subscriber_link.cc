#include "client/subscriber_link.h"

#include <chrono>
#include <utility>

#include "client/admin.h"

namespace headrace::client {

using net::native::Frame;
using net::native::MessageType;

SubscriberLink::SubscriberLink(Client* client, SubscriberOptions options,
                               Subscriber::SettledFunction settled)
    : client_(client),
      options_(std::move(options)),
      settled_(std::move(settled)),
      backoff_(20, 1000, static_cast<uint64_t>(Loop::now_us())) {}

// ---- membership (I/O thread)

void SubscriberLink::start() {
  subscribe();
}

void SubscriberLink::stop(std::function<void()> done) {
  stopped_ = true;
  const uint32_t subscription = std::exchange(subscription_, 0);
  if (subscription == 0) return done();
  client_->remove_subscription(subscription);
  if (!std::exchange(subscribed_, false)) return done();
  proto::Unsubscribe request;
  request.set_subscription(subscription);
  client_->start(MessageType::unsubscribe, request, {},
                 [done = std::move(done)](const Error&, const Frame&) { done(); });
}

void SubscriberLink::subscribe() {
  if (stopped_) return;
  const auto self = shared_from_this();
  Client::Listener listener;
  listener.group_delivery = [self](const proto::GroupDelivery& delivery,
                                   const SharedBytes& payload) {
    self->on_delivery(delivery, payload);
  };
  listener.lost = [self] {
    // Not subscribed yet: the request itself is sent again, or fails.
    if (!self->subscribed_) return;
    self->on_lost(connection_lost("the connection broke"));
    self->subscribe();
  };
  listener.ended = [self](const Error& error) {
    self->on_lost(error);
    self->again(error);
  };
  subscription_ = client_->add_subscription(std::move(listener));
  proto::SubscribeGroup request;
  request.set_subscription(subscription_);
  request.set_group(options_.group);
  request.set_window_events(options_.window_events);
  CallOptions call;
  call.repeatable = true;  // a membership ends with its connection
  const uint32_t asked =
      client_->start(MessageType::subscribe_group, request, call,
                     [self, subscription = subscription_](const Error& error, const Frame& frame) {
                       self->on_reply(subscription, error, frame);
                     });
  client_->subscribed_by(subscription_, asked);
}

void SubscriberLink::on_reply(uint32_t subscription, const Error& error, const Frame& frame) {
  if (stopped_ || subscription != subscription_) return;
  if (error) {
    client_->remove_subscription(std::exchange(subscription_, 0));
    return again(error);
  }
  const auto reply = parse_reply<proto::SubscribeGroupOk>(frame);
  if (!reply.ok()) return fail(reply.error);
  subscribed_ = true;
  backoff_.reset();
  extend_queued_later(subscription, reply->ack_deadline_ms() * 1000);
  const std::lock_guard lock(mutex_);
  core_.on_subscribed();
  polled_us_ = Loop::now_us();
  topic_.set_name(reply->topic());
  topic_.set_id(reply->topic_id());
  changed_.notify_all();
}

// Who handles events one after the other must not lose those that wait behind the first. Who has
// not come for the next one within a deadline is taken for stuck, and others get what it holds.
void SubscriberLink::extend_queued_later(uint32_t subscription, int64_t deadline_us) {
  client_->loop().after_us(deadline_us / 4, [self = shared_from_this(), subscription, deadline_us] {
    if (self->stopped_ || self->subscription_ != subscription) return;
    {
      const std::lock_guard lock(self->mutex_);
      const int64_t now_us = Loop::now_us();
      if (now_us - self->polled_us_ < deadline_us) self->core_.extend_queued(now_us);
    }
    self->pump();
    self->extend_queued_later(subscription, deadline_us);
  });
}

void SubscriberLink::on_lost(const Error& why) {
  subscribed_ = false;
  if (subscription_ != 0) client_->remove_subscription(std::exchange(subscription_, 0));
  {
    const std::lock_guard lock(mutex_);
    core_.on_lost(why);
  }
  deliver_reports();
}

// Subscribes again after a pause, if that can help.
void SubscriberLink::again(const Error& error) {
  // The broker has forgotten its members, as after a failed write: a new one is welcome.
  const bool forgotten = error.code == kErrorUnknownMember;
  if (!forgotten && (!error.retryable || error.is_unreachable())) return fail(error);
  {
    const std::lock_guard lock(mutex_);
    last_error_ = error;
  }
  const int64_t pause_ms = error.retry_after_ms > 0 ? error.retry_after_ms : backoff_.next_ms();
  client_->loop().after_us(pause_ms * 1000, [self = shared_from_this()] {
    if (self->subscription_ == 0) self->subscribe();
  });
}

void SubscriberLink::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = error;
  changed_.notify_all();
}

void SubscriberLink::on_delivery(const proto::GroupDelivery& delivery, const SharedBytes& payload) {
  if (stopped_) return;
  {
    const std::lock_guard lock(mutex_);
    const Error error = core_.on_delivery(delivery, payload, Loop::now_us());
    if (error && !error_) error_ = error;
    changed_.notify_all();
  }
  pump();  // what could not be read is rejected
}

// ---- outcomes

void SubscriberLink::wake_io() {
  if (std::exchange(io_woken_, true)) return;
  client_->loop().post([self = shared_from_this()] { self->pump(); });
}

void SubscriberLink::pump() {
  while (true) {
    std::optional<SubscriberCore::Request> request;
    {
      const std::lock_guard lock(mutex_);
      io_woken_ = false;
      if (subscribed_ && !stopped_ && !resting_) request = core_.take();
    }
    if (!request) break;
    send(*request);
  }
  deliver_reports();
}

void SubscriberLink::send(const SubscriberCore::Request& request) {
  proto::Settle message = request.message;
  message.set_subscription(subscription_);
  client_->start(
      MessageType::settle, message, {},
      [self = shared_from_this(), number = request.number](const Error& error, const Frame& frame) {
        self->on_settled(number, error, frame);
      });
}

void SubscriberLink::on_settled(uint64_t number, const Error& error, const Frame& frame) {
  const bool later = error.retryable && !error.is_unreachable();
  {
    const std::lock_guard lock(mutex_);
    if (later) {
      core_.put_back(number);
    } else if (error) {
      core_.on_settled(number, error, {});
    } else {
      const auto reply = parse_reply<proto::SettleOk>(frame);
      core_.on_settled(number, reply.error, reply.value);
    }
  }
  if (later && !std::exchange(resting_, true)) {
    const int64_t pause_ms = error.retry_after_ms > 0 ? error.retry_after_ms : backoff_.next_ms();
    client_->loop().after_us(pause_ms * 1000, [self = shared_from_this()] {
      self->resting_ = false;
      self->pump();
    });
  }
  // With the connection the membership ends, in a moment.
  if (error.code == kCodeConnectionLost) return deliver_reports();
  pump();
}

void SubscriberLink::deliver_reports() {
  std::vector<Settled> reports;
  {
    const std::lock_guard lock(mutex_);
    reports = core_.take_reports();
    if (reports.empty()) return;
    reporting_ = true;
    for (const Settled& settled : reports) {
      if (settled.error && !failure_) failure_ = settled.error;
    }
  }
  if (settled_ && !stopped_) {
    for (const Settled& settled : reports) settled_(settled);
  }
  const std::lock_guard lock(mutex_);
  reporting_ = false;
  changed_.notify_all();
}

// ---- the application's side

Result<proto::Topic> SubscriberLink::wait_subscribed() {
  std::unique_lock lock(mutex_);
  const auto timeout = std::chrono::milliseconds(client_->options().timeout_ms);
  const bool answered =
      changed_.wait_for(lock, timeout, [&] { return error_ || !topic_.name().empty(); });
  if (error_) return error_;
  if (answered) return topic_;
  return last_error_ ? last_error_ : no_reply("the broker did not answer in time");
}

Result<std::optional<Delivered>> SubscriberLink::poll(int64_t wait_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  std::unique_lock lock(mutex_);
  while (true) {
    Delivered delivered;
    polled_us_ = Loop::now_us();
    if (core_.next(&delivered)) return std::optional<Delivered>(std::move(delivered));
    if (core_.open() > 0) wake_io();  // what could not be read is rejected
    if (error_) return error_;
    if (changed_.wait_until(lock, deadline, [&] { return error_ || core_.has_next(); })) continue;
    return std::optional<Delivered>{};
  }
}

void SubscriberLink::settle(const Delivered& delivered, proto::Verdict verdict,
                            std::string_view error, std::optional<int64_t> delay_ms) {
  const std::lock_guard lock(mutex_);
  core_.settle(delivered, verdict, error, delay_ms);
  wake_io();
}

Error SubscriberLink::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || (core_.open() == 0 && !reporting_); });
  const Error failure = std::exchange(failure_, {});
  if (failure) return failure;
  return core_.open() == 0 ? Error{} : error_;
}

}  // namespace headrace::client

#include "client/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "metrics/check.h"

namespace headrace::client {

namespace native = net::native;

namespace {
constexpr int64_t kTickUs = 50'000;
constexpr int kSilentIntervals = 3;  // pings without an answer until the connection counts as dead

uint64_t seed_of(uint64_t given) {
  if (given != 0) return given;
  return static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}
}  // namespace

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      seed_(seed_of(options_.seed)),
      backoff_(options_.backoff_first_ms, options_.backoff_longest_ms, seed_) {}

Client::~Client() {
  run_on_loop([this] {
    loop_.cancel(&tick_timer_);
    loop_.cancel(&reconnect_timer_);
    connection_.reset();
    subscriptions_.clear();
    fail_all(closed("the client was closed"));
  });
}

void Client::run_on_loop(const std::function<void()>& function) {
  HR_CHECK(!loop_.on_loop_thread());
  std::promise<void> done;
  loop_.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

void Client::submit(uint32_t id, SharedBytes head, CallOptions call, Reply reply) {
  const int64_t timeout_ms = call.timeout_ms > 0 ? call.timeout_ms : options_.timeout_ms;
  Pending pending;
  pending.head = std::move(head);
  pending.payload = std::move(call.payload);
  pending.deadline_us = Loop::now_us() + timeout_ms * 1000;
  pending.repeatable = call.repeatable;
  pending.reply = std::move(reply);
  if (loop_.on_loop_thread()) return add_pending(id, std::move(pending));
  loop_.post(
      [this, id, pending = std::move(pending)]() mutable { add_pending(id, std::move(pending)); });
}

void Client::add_pending(uint32_t id, Pending pending) {
  pending.order = next_order_++;
  if (connection_ != nullptr && connection_->ready()) {
    pending.sent = true;
    ++pending.times_sent;
    connection_->send(pending.head, pending.payload);
  }
  pending_.insert_or_assign(id, std::move(pending));
  if (connection_ == nullptr && reconnect_timer_.first == 0) connect_now();
  schedule_tick();
}

void Client::connect_now() {
  proto::Hello hello = hello_of(options_);
  for (const char* codec : {"none", "gzip", "snappy", "lz4", "zstd"}) hello.add_codecs(codec);
  connection_ = std::make_unique<Connection>(&loop_, static_cast<Connection::Owner*>(this));
  connection_->start(options_.server, options_.tls, hello,
                     std::make_unique<Login>(options_, &salted_), options_.connect_timeout_ms);
}

void Client::connect_later() {
  if (reconnect_timer_.first != 0) return;
  reconnect_timer_ = loop_.after_us(backoff_.next_ms() * 1000, [this] {
    reconnect_timer_ = {0, 0};
    connect_now();
  });
}

void Client::on_ready(const proto::HelloOk& hello) {
  hello_ = hello;
  if (hello.ping_interval_ms() > 0) ping_interval_us_ = int64_t{hello.ping_interval_ms()} * 1000;
  backoff_.reset();
  last_error_ = {};
  farewell_ = {};
  last_ping_us_ = Loop::now_us();
  std::vector<Pending*> unsent;
  for (auto& [id, pending] : pending_) unsent.push_back(&pending);
  std::ranges::sort(unsent, {}, &Pending::order);
  for (Pending* pending : unsent) {
    pending->sent = true;
    ++pending->times_sent;
    connection_->send(pending->head, pending->payload);
  }
  schedule_tick();
}

void Client::on_frame(native::Frame frame) {
  const bool failed = (frame.header.flags & native::kFlagError) != 0;
  if (frame.header.request_id != 0) {
    const Error error = failed ? error_of(frame) : Error{};
    if (failed && !pending_.contains(frame.header.request_id)) {
      return end_subscription(frame.header.request_id, error);
    }
    return finish(frame.header.request_id, error, std::move(frame));
  }
  if (failed) {
    farewell_ = error_of(frame);
    return;
  }
  on_push(frame);
}

void Client::on_push(const native::Frame& frame) {
  const auto hand_over = [&](const auto& message, auto Listener::*function) {
    if (!message.ok()) return connection_->fail(message.error);
    const auto found = subscriptions_.find(message->subscription());
    if (found == subscriptions_.end()) return;
    const auto& listener = found->second.listener.*function;
    if (listener) listener(message.value, frame.payload);
  };
  switch (static_cast<native::MessageType>(frame.header.type)) {
    case native::MessageType::delivery:
      return hand_over(parse_reply<proto::Delivery>(frame), &Listener::delivery);
    case native::MessageType::group_delivery:
      return hand_over(parse_reply<proto::GroupDelivery>(frame), &Listener::group_delivery);
    default:
      return;
  }
}

void Client::end_subscription(uint32_t request, const Error& error) {
  for (const auto& [id, subscription] : subscriptions_) {
    if (subscription.request != request) continue;
    const auto ended = subscription.listener.ended;  // it may remove the subscription
    if (ended) ended(error);
    return;
  }
}

void Client::on_lost(Error error, bool final) {
  connection_.reset();
  last_error_ = farewell_ ? std::exchange(farewell_, {}) : std::move(error);
  if (final) return fail_all(last_error_);
  std::vector<uint32_t> broken;
  for (auto& [id, pending] : pending_) {
    if (pending.sent && !pending.repeatable) broken.push_back(id);
    pending.sent = false;
  }
  for (const uint32_t id : broken) {
    finish(id,
           connection_lost("the connection broke before the reply, so it is not known whether "
                           "it was done: " +
                           last_error_.message),
           {});
  }
  std::vector<std::function<void()>> lost;
  for (auto& [id, subscription] : subscriptions_) lost.push_back(subscription.listener.lost);
  for (auto& function : lost) function();
  if (connection_ != nullptr || (pending_.empty() && subscriptions_.empty())) return;
  if (options_.connecting_again && last_error_.is_unreachable()) {
    options_.connecting_again(last_error_);
  }
  connect_later();
}

void Client::finish(uint32_t id, Error error, native::Frame frame) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;  // its deadline has passed
  const Reply reply = std::move(found->second.reply);
  error.sent_before = found->second.times_sent > 1;
  pending_.erase(found);
  reply(std::move(error), std::move(frame));
}

void Client::fail_all(const Error& error) {
  auto taken = std::exchange(pending_, {});
  for (auto& [id, pending] : taken) pending.reply(error, {});
}

void Client::schedule_tick() {
  if (tick_timer_.first == 0) tick_timer_ = loop_.after_us(kTickUs, [this] { tick(); });
}

void Client::tick() {
  tick_timer_ = {0, 0};
  const int64_t now_us = Loop::now_us();
  const bool connected = connection_ != nullptr && connection_->ready();
  std::vector<uint32_t> late;
  for (const auto& [id, pending] : pending_) {
    if (pending.deadline_us <= now_us) late.push_back(id);
  }
  for (const uint32_t id : late) {
    const std::string& server = options_.server.to_string();
    if (connected) {
      finish(id, no_reply(server + " did not answer in time"), {});
    } else {
      const std::string why = last_error_ ? last_error_.message : "still connecting to " + server;
      finish(id, unreachable(why), {});
    }
  }
  if (connected) ping_if_idle(now_us);
  if (!pending_.empty() || connected) schedule_tick();
}

void Client::ping_if_idle(int64_t now_us) {
  if (now_us - connection_->last_received_us() > kSilentIntervals * ping_interval_us_) {
    return connection_->fail(connection_lost(options_.server.to_string() + " is silent"));
  }
  if (now_us - last_ping_us_ < ping_interval_us_) return;
  last_ping_us_ = now_us;
  const uint32_t id = next_id_.fetch_add(1) + 1;
  connection_->send(native::encode_frame(native::MessageType::ping, 0, id, proto::Ping{}, 0), {});
}

Result<native::Frame> Client::wait(const std::function<void(Reply, CallOptions)>& start_one,
                                   CallOptions options) {
  HR_CHECK(!loop_.on_loop_thread());
  const int64_t timeout_ms = options.timeout_ms > 0 ? options.timeout_ms : options_.timeout_ms;
  const int64_t deadline_us = Loop::now_us() + timeout_ms * 1000;
  Backoff backoff(options_.backoff_first_ms, options_.backoff_longest_ms, seed_);
  while (true) {
    std::promise<Result<native::Frame>> promise;
    CallOptions one = options;
    one.timeout_ms = std::max<int64_t>(1, (deadline_us - Loop::now_us()) / 1000);
    start_one(
        [&promise](Error error, native::Frame frame) {
          Result<native::Frame> result;
          result.error = std::move(error);
          result.value = std::move(frame);
          promise.set_value(std::move(result));
        },
        std::move(one));
    Result<native::Frame> result = promise.get_future().get();
    if (result.ok() || !options.repeatable || !result.error.retryable ||
        result.error.is_unreachable()) {
      return result;
    }
    int64_t pause_ms = result.error.retry_after_ms;
    if (pause_ms == 0) pause_ms = backoff.next_ms();
    if (Loop::now_us() + pause_ms * 1000 >= deadline_us) return result;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
}

Result<proto::HelloOk> Client::connect() {
  const auto pong = call<proto::Pong>(native::MessageType::ping, proto::Ping{}, repeatable());
  if (!pong.ok()) return pong.error;
  proto::HelloOk hello;
  run_on_loop([&] { hello = hello_; });
  return hello;
}

uint32_t Client::add_subscription(Listener listener) {
  const uint32_t id = next_subscription_.fetch_add(1);
  const auto add = [&] { subscriptions_[id] = {std::move(listener), 0}; };
  if (loop_.on_loop_thread()) {
    add();
  } else {
    run_on_loop(add);
  }
  return id;
}

void Client::subscribed_by(uint32_t subscription, uint32_t request) {
  const auto found = subscriptions_.find(subscription);
  if (found != subscriptions_.end()) found->second.request = request;
}

void Client::remove_subscription(uint32_t subscription) {
  if (loop_.on_loop_thread()) {
    subscriptions_.erase(subscription);
  } else {
    run_on_loop([&] { subscriptions_.erase(subscription); });
  }
}

}  // namespace headrace::client

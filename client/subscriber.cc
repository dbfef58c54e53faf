#include "client/subscriber.h"

#include <future>

#include "client/subscriber_link.h"
#include "metrics/check.h"

namespace headrace::client {

Result<std::unique_ptr<Subscriber>> Subscriber::open(Client& client, SubscriberOptions options,
                                                     SettledFunction settled) {
  auto link = std::make_shared<SubscriberLink>(&client, std::move(options), std::move(settled));
  client.loop().post([link] { link->start(); });
  const Result<proto::Topic> topic = link->wait_subscribed();
  if (!topic.ok()) {
    client.loop().post([link] { link->stop([] {}); });
    return topic.error;
  }
  return std::unique_ptr<Subscriber>(new Subscriber(&client, topic.value, std::move(link)));
}

Subscriber::Subscriber(Client* client, proto::Topic topic, std::shared_ptr<SubscriberLink> link)
    : client_(client), topic_(std::move(topic)), link_(std::move(link)) {}

Subscriber::~Subscriber() {
  if (closed_) return;
  std::promise<void> stopped;
  client_->loop().post([&] {
    link_->stop([] {});
    stopped.set_value();
  });
  stopped.get_future().wait();
}

Result<std::optional<Delivered>> Subscriber::poll(int64_t wait_ms) {
  return link_->poll(wait_ms);
}

void Subscriber::ack(const Delivered& delivered) {
  link_->settle(delivered, proto::ACK, {}, std::nullopt);
}

void Subscriber::nack(const Delivered& delivered, std::string_view error,
                      std::optional<int64_t> delay_ms) {
  link_->settle(delivered, proto::NACK, error, delay_ms);
}

void Subscriber::reject(const Delivered& delivered, std::string_view reason) {
  link_->settle(delivered, proto::REJECT, reason, std::nullopt);
}

void Subscriber::extend(const Delivered& delivered) {
  link_->settle(delivered, proto::EXTEND, {}, std::nullopt);
}

void Subscriber::release(const Delivered& delivered) {
  link_->settle(delivered, proto::RELEASE, {}, std::nullopt);
}

Error Subscriber::flush() {
  return link_->flush();
}

Error Subscriber::close() {
  HR_CHECK(!closed_);
  const Error error = link_->flush();
  std::promise<void> done;
  client_->loop().post([&] { link_->stop([&] { done.set_value(); }); });
  done.get_future().wait();
  closed_ = true;
  return error;
}

}  // namespace headrace::client

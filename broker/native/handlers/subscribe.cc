// subscribe, credit, unsubscribe: push deliveries of one partition (broker/native/subscription.h).
// unsubscribe ends a group's subscription as well.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/session.h"

namespace headrace::native {
namespace {

std::shared_ptr<Subscription> find(Session& session, uint32_t id) {
  auto at = session.subscriptions().find(id);
  return at == session.subscriptions().end() ? nullptr : at->second;
}

core::Error no_such(uint32_t id) {
  return {core::ErrorCode::unknown_subscription, std::to_string(id)};
}

}  // namespace

void handle_subscribe(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::Subscribe message;
  if (!session.parse(frame, &message)) return;
  core::Error error;
  auto topic = session.topic(message.topic(), &error);
  if (topic == nullptr) return session.fail(header, error);
  const uint32_t id = message.subscription();
  if (core::Error refused = session.may_subscribe(id)) return session.fail(header, refused);
  auto subscription = std::make_shared<Subscription>(
      id, header, topic, PartitionId(message.partition()), message.decoded());
  session.subscriptions()[id] = subscription;
  subscription->add_credit(session, message.credit_bytes());

  auto request = std::make_unique<core::ListOffsets>(session.tenant());
  request->topic = topic;
  request->shard = topic->shard;
  request->partition = PartitionId(message.partition());
  request->at = from_proto(message.from());
  session.ask(std::move(request), 0,
              [header, id, subscription](Session& to, core::RequestPtr reply) {
                auto& found = core::as<core::ListOffsets>(*reply);
                if (found.error) {
                  to.subscriptions().erase(id);
                  return to.fail(header, found.error);
                }
                proto::SubscribeOk ok;
                ok.set_start_offset(found.offset.value());
                to.reply(header, ok);
                subscription->start(to, found.offset);
              });
}

void handle_credit(Session& session, net::native::Frame&& frame) {
  proto::Credit message;
  if (!session.parse(frame, &message)) return;
  auto subscription = find(session, message.subscription());
  if (subscription == nullptr) return session.fail(frame.header, no_such(message.subscription()));
  subscription->add_credit(session, message.bytes());
  session.reply(frame.header, proto::CreditOk());
}

void handle_unsubscribe(Session& session, net::native::Frame&& frame) {
  proto::Unsubscribe message;
  if (!session.parse(frame, &message)) return;
  const uint32_t id = message.subscription();
  if (auto subscription = find(session, id)) {
    subscription->cancel();
    session.subscriptions().erase(id);
    return session.reply(frame.header, proto::UnsubscribeOk());
  }
  auto member = session.group_subscriptions().find(id);
  if (member == session.group_subscriptions().end()) {
    return session.fail(frame.header, no_such(id));
  }
  auto subscription = std::move(member->second);
  session.group_subscriptions().erase(member);
  subscription->end(session);
  session.reply(frame.header, proto::UnsubscribeOk());
}

}  // namespace headrace::native

// subscribe_group: a member of an acked group (broker/native/group_subscription.h).
#include <algorithm>

#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {

void handle_subscribe_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::SubscribeGroup message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  const uint32_t id = message.subscription();
  if (core::Error refused = session.may_subscribe(id)) return session.fail(header, refused);
  uint32_t window = message.window_events();
  if (window == 0) window = limits::kMemberWindowDefault;
  auto subscription = std::make_shared<GroupSubscription>(
      id, header, found->topic, found->group, std::min(window, limits::kMemberWindowMax),
      message.decoded());
  session.group_subscriptions()[id] = subscription;
  subscription->start(session);
}

}  // namespace headrace::native

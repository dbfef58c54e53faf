// settle: what became of deliveries. Answered when it is durable.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_groups.h"
#include "broker/native/session.h"

namespace headrace::native {

void handle_settle(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::Settle message;
  if (!session.parse(frame, &message)) return;
  auto member = session.group_subscriptions().find(message.subscription());
  if (member == session.group_subscriptions().end() || !member->second->attached()) {
    return session.fail(
        header, {core::ErrorCode::unknown_subscription, std::to_string(message.subscription())});
  }
  if (static_cast<size_t>(message.outcomes_size()) > limits::kOutcomesPerSettle) {
    return session.fail(header,
                        {core::ErrorCode::invalid_request,
                         "outcomes: at most " + std::to_string(limits::kOutcomesPerSettle)});
  }
  auto request = std::make_unique<core::Settle>(session.tenant());
  request->topic = member->second->topic();
  request->group = member->second->group();
  request->shard = request->topic->shard;
  request->member = member->second->member();
  request->outcomes.resize(static_cast<size_t>(message.outcomes_size()));
  for (int i = 0; i < message.outcomes_size(); ++i) {
    auto& outcome = request->outcomes[static_cast<size_t>(i)];
    if (core::Error error = from_proto(message.outcomes(i), i, &outcome)) {
      return session.fail(header, error);
    }
  }
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& settled = core::as<core::Settle>(*reply);
    if (settled.error) return to.fail(header, settled.error);
    proto::SettleOk ok;
    for (const auto& outcome : settled.outcomes) {
      ok.add_error_codes(static_cast<uint32_t>(outcome.refused.code));
    }
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

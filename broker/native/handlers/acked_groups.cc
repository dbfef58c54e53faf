// create_group, update_group, set_group_state. A change goes to the catalog; then the owner of the
// group is asked to describe it, which makes it load and a new group fix where it starts.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/handlers/convert_groups.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

template <class Ok>
void answer_described(Session& session, const net::native::FrameHeader& header,
                      const core::GroupPtr& group, const core::TopicPtr& topic, Ok ok) {
  auto request = std::make_unique<core::DescribeGroup>(session.tenant());
  request->group = group;
  request->topic = topic;
  request->shard = topic->shard;
  session.ask(std::move(request), 0,
              [header, ok = std::move(ok)](Session& to, core::RequestPtr reply) mutable {
                if (reply->error) return to.fail(header, reply->error);
                to_proto(core::as<core::DescribeGroup>(*reply).stats, ok.mutable_group());
                to.reply(header, ok);
              });
}

std::optional<core::SetGroupState::Action> action_of(const std::string& word) {
  using Action = core::SetGroupState::Action;
  if (word == "enable") return Action::enable;
  if (word == "disable") return Action::disable;
  if (word == "probe") return Action::probe;
  return std::nullopt;
}

}  // namespace

void handle_create_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CreateGroup message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::CreateGroup>(session.tenant());
  core::Error error = core::check_name("group", message.group());
  if (!error) error = from_proto(message.options(), &request->options);
  if (!error) request->topic = session.topic(message.topic(), &error);
  if (error) return session.fail(header, error);
  request->shard = kMetaShard;
  request->name = message.group();
  request->if_missing = message.if_missing();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& made = core::as<core::CreateGroup>(*reply);
    if (made.error) return to.fail(header, made.error);
    proto::CreateGroupOk ok;
    ok.set_created(made.created);
    answer_described(to, header, made.group, made.topic, std::move(ok));
  });
}

void handle_update_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::UpdateGroup message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  auto request = std::make_unique<core::UpdateGroup>(session.tenant());
  request->options.from = found->group->options.from;
  if (core::Error error = from_proto(message.options(), &request->options)) {
    return session.fail(header, error);
  }
  request->shard = kMetaShard;
  request->name = message.group();
  request->if_version = message.if_version();
  session.ask(std::move(request), 0,
              [header, topic = found->topic](Session& to, core::RequestPtr reply) {
                auto& changed = core::as<core::UpdateGroup>(*reply);
                if (changed.error) return to.fail(header, changed.error);
                answer_described(to, header, changed.group, topic, proto::UpdateGroupOk());
              });
}

void handle_set_group_state(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::SetGroupState message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  const auto action = action_of(message.action());
  if (!action) {
    return session.fail(header,
                        {core::ErrorCode::invalid_request,
                         "action: enable, disable or probe, got '" + message.action() + "'"});
  }
  if (message.reason().size() > limits::kErrorTextMax) {
    return session.fail(header,
                        {core::ErrorCode::invalid_request,
                         "reason: at most " + std::to_string(limits::kErrorTextMax) + " bytes"});
  }
  auto request = std::make_unique<core::SetGroupState>(session.tenant());
  request->group = found->group;
  request->topic = found->topic;
  request->shard = found->topic->shard;
  request->action = *action;
  request->reason = message.reason();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& done = core::as<core::SetGroupState>(*reply);
    if (done.error) return to.fail(header, done.error);
    proto::SetGroupStateOk ok;
    ok.set_state(std::string(core::to_string(done.state)));
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

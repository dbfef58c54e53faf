// describe_group, list_groups, delete_group.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

std::unique_ptr<core::DescribeGroup> describe(Session& session, const core::GroupPtr& group,
                                              const core::TopicPtr& topic) {
  auto request = std::make_unique<core::DescribeGroup>(session.tenant());
  request->group = group;
  request->topic = topic;
  request->shard = topic->shard;
  return request;
}

// What is still missing of a list that several shards answer.
struct GroupsGathering {
  proto::ListGroupsOk ok;
  size_t missing = 0;
};

}  // namespace

void handle_describe_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DescribeGroup message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group());
  if (!found) return;
  session.ask(describe(session, found->group, found->topic), 0,
              [header](Session& to, core::RequestPtr reply) {
                if (reply->error) return to.fail(header, reply->error);
                proto::DescribeGroupOk ok;
                to_proto(core::as<core::DescribeGroup>(*reply).stats, &ok);
                to.reply(header, ok);
              });
}

void handle_list_groups(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  const auto catalog = session.reactor().catalog();
  auto gathering = std::make_shared<GroupsGathering>();
  std::vector<std::unique_ptr<core::DescribeGroup>> questions;
  for (const auto& [name, group] : catalog->groups) {
    if (name.first != session.tenant().tenant()) continue;
    auto topic = catalog->topic(group->tenant, group->topic);
    if (topic == nullptr || topic->state != core::Topic::State::active) continue;
    if (session.may(topic->name)) continue;
    questions.push_back(describe(session, group, topic));
  }
  gathering->missing = questions.size();
  if (questions.empty()) return session.reply(header, gathering->ok);
  for (auto& question : questions) {
    session.ask(std::move(question), 0, [header, gathering](Session& to, core::RequestPtr reply) {
      // A group that went away meanwhile is simply not in the list.
      if (!reply->error) {
        to_proto(core::as<core::DescribeGroup>(*reply).stats, gathering->ok.add_groups());
      }
      if (--gathering->missing == 0) to.reply(header, gathering->ok);
    });
  }
}

void handle_delete_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeleteGroup message;
  if (!session.parse(frame, &message)) return;
  core::Error error;
  if (session.group(message.group(), &error) == nullptr) return session.fail(header, error);
  auto request = std::make_unique<core::DeleteGroup>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.group();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    to.reply(header, proto::DeleteGroupOk());
  });
}

}  // namespace headrace::native

// Positional groups: join, heartbeat, leave, commit.
#include <algorithm>

#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

// Groups come into being when they are first joined or committed to.
void with_group(Session& session, const net::native::FrameHeader& header, const std::string& name,
                const core::TopicPtr& topic,
                std::function<void(Session&, const core::GroupPtr&)> go_on) {
  core::GroupPtr known = session.reactor().catalog()->group(session.tenant().tenant(), name);
  // One of the other kind or topic: the catalog says so.
  const bool usable = known != nullptr && known->topic == topic->id &&
                      known->kind == core::GroupRecord::Kind::positional;
  if (usable) return go_on(session, known);
  auto ensure = std::make_unique<core::EnsureGroup>(session.tenant());
  ensure->shard = kMetaShard;
  ensure->name = name;
  ensure->topic = topic;
  session.ask(std::move(ensure), 0,
              [header, go_on = std::move(go_on)](Session& to, core::RequestPtr reply) {
                auto& ensured = core::as<core::EnsureGroup>(*reply);
                if (ensured.error) return to.fail(header, ensured.error);
                go_on(to, ensured.group);
              });
}

// The group and topic of a member's request; false after answering.
template <class R>
bool for_member(Session& session, const net::native::FrameHeader& header, const std::string& name,
                R* request) {
  const auto found = find_group(session, header, name, core::GroupRecord::Kind::positional);
  if (!found) return false;
  request->group = found->group;
  request->topic = found->topic;
  request->shard = found->topic->shard;
  return true;
}

template <class Ok>
void add_assigned(const std::vector<core::AssignedPartition>& assigned, Ok* ok) {
  for (const auto& one : assigned) {
    auto* row = ok->add_assigned();
    row->set_partition(one.partition.value());
    row->set_committed(one.committed.value());
  }
}

}  // namespace

void handle_join_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto message = std::make_shared<proto::JoinGroup>();
  if (!session.parse(frame, message.get())) return;
  core::Error error;
  auto topic = session.topic(message->topic(), &error);
  if (topic == nullptr) return session.fail(header, error);
  uint32_t timeout_ms = message->session_timeout_ms();
  if (timeout_ms == 0) timeout_ms = limits::kSessionTimeoutMsDefault;
  if (timeout_ms < limits::kSessionTimeoutMsMin || timeout_ms > limits::kSessionTimeoutMsMax) {
    return session.fail(
        header, {core::ErrorCode::invalid_request,
                 "session_timeout_ms: " + std::to_string(limits::kSessionTimeoutMsMin) + " to " +
                     std::to_string(limits::kSessionTimeoutMsMax)});
  }
  with_group(session, header, message->group(), topic,
             [=](Session& to, const core::GroupPtr& group) {
               auto join = std::make_unique<core::JoinGroup>(to.tenant());
               join->topic = topic;
               join->group = group;
               join->shard = topic->shard;
               join->member = message->member();
               join->client = message->client().empty() ? to.client() : message->client();
               join->session_timeout_us = int64_t{timeout_ms} * kMicrosPerMilli;
               to.ask(std::move(join), 0, [=](Session& back, core::RequestPtr reply) {
                 auto& joined = core::as<core::JoinGroup>(*reply);
                 if (joined.error) return back.fail(header, joined.error);
                 proto::JoinGroupOk ok;
                 ok.set_member(joined.member);
                 ok.set_epoch(joined.epoch.value());
                 ok.set_generation(joined.generation);
                 ok.set_heartbeat_interval_ms(timeout_ms / limits::kHeartbeatFraction);
                 add_assigned(joined.assigned, &ok);
                 back.reply(header, ok);
               });
             });
}

void handle_heartbeat(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::Heartbeat message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::Heartbeat>(session.tenant());
  if (!for_member(session, header, message.group(), request.get())) return;
  request->member = message.member();
  request->generation = message.generation();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& beat = core::as<core::Heartbeat>(*reply);
    if (beat.error) return to.fail(header, beat.error);
    proto::HeartbeatOk ok;
    ok.set_epoch(beat.epoch.value());
    ok.set_generation(beat.generation);
    add_assigned(beat.assigned, &ok);
    to.reply(header, ok);
  });
}

void handle_leave_group(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::LeaveGroup message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::LeaveGroup>(session.tenant());
  if (!for_member(session, header, message.group(), request.get())) return;
  request->member = message.member();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    to.reply(header, proto::LeaveGroupOk());
  });
}

void handle_commit_offsets(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto message = std::make_shared<proto::CommitOffsets>();
  if (!session.parse(frame, message.get())) return;
  core::Error error;
  auto topic = session.topic(message->topic(), &error);
  if (topic == nullptr) return session.fail(header, error);
  with_group(session, header, message->group(), topic,
             [=](Session& to, const core::GroupPtr& group) {
               auto commit = std::make_unique<core::CommitOffsets>(to.tenant());
               commit->topic = topic;
               commit->group = group;
               commit->shard = topic->shard;
               commit->member = message->member();
               commit->epoch = Epoch(message->epoch());
               commit->generation = message->generation();
               for (const auto& one : message->offsets()) {
                 commit->offsets.emplace_back(PartitionId(one.partition()), Offset(one.offset()));
               }
               to.ask(std::move(commit), 0, [header](Session& back, core::RequestPtr reply) {
                 if (reply->error) return back.fail(header, reply->error);
                 back.reply(header, proto::CommitOffsetsOk());
               });
             });
}

}  // namespace headrace::native

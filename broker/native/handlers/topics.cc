// metadata, create_topic, delete_topic, describe_topic.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_metadata(Session& session, net::native::Frame&& frame) {
  proto::Metadata message;
  if (!session.parse(frame, &message)) return;
  proto::MetadataOk ok;
  ok.set_server("headrace/" + session.server().options().version);
  ok.set_cluster_id(session.server().options().cluster_id);
  if (message.topics().empty()) {
    for (const auto& [name, topic] : session.reactor().catalog()->topics) {
      if (name.first != session.tenant().tenant() || session.may(name.second)) continue;
      to_proto(*topic, ok.add_topics());
    }
  }
  for (const auto& name : message.topics()) {
    core::Error error;
    auto topic = session.topic(name, &error);
    if (topic == nullptr) return session.fail(frame.header, error);
    to_proto(*topic, ok.add_topics());
  }
  session.reply(frame.header, ok);
}

void handle_create_topic(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CreateTopic message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = session.may(message.name())) return session.fail(header, error);
  auto request = std::make_unique<core::CreateTopic>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  const ServerOptions& options = session.server().options();
  request->partitions =
      message.partitions() == 0 ? options.live.default_partitions : message.partitions();
  request->retention = from_proto(message.retention());
  if (!message.has_retention()) request->retention = options.live.default_retention;
  if (message.has_dedup()) request->dedup = from_proto(message.dedup());
  request->if_missing = message.if_missing();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& created = core::as<core::CreateTopic>(*reply);
    if (created.error) return to.fail(header, created.error);
    proto::CreateTopicOk ok;
    to_proto(*created.topic, ok.mutable_topic());
    ok.set_created(created.created);
    to.reply(header, ok);
  });
}

void handle_delete_topic(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeleteTopic message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = session.may(message.name())) return session.fail(header, error);
  auto request = std::make_unique<core::DeleteTopic>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& deleted = core::as<core::DeleteTopic>(*reply);
    if (deleted.error) return to.fail(header, deleted.error);
    proto::DeleteTopicOk ok;
    ok.set_id(deleted.id.value());
    to.reply(header, ok);
  });
}

void handle_describe_topic(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DescribeTopic message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::DescribeTopic>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.name(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  request->shard = request->topic->shard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& described = core::as<core::DescribeTopic>(*reply);
    if (described.error) return to.fail(header, described.error);
    proto::DescribeTopicOk ok;
    to_proto(described, &ok);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

// register_schema, list_schemas, get_schema, delete_schema, diff_schemas, check_event,
// update_schema_type.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_schemas.h"
#include "broker/native/server.h"

namespace headrace::native {
namespace {

// Types are the tenant's, not a topic's: a right to some topics is none to change them.
core::Error may_change_schemas(const Session& session) {
  return session.tenant().require(core::Permission::manage);
}

}  // namespace

void handle_register_schema(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::RegisterSchema message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = may_change_schemas(session)) return session.fail(header, error);
  if (frame.payload.size() > limits::kSchemaBytes) {
    return session.fail(header, {core::ErrorCode::too_large,
                                 "a schema has at most " + std::to_string(limits::kSchemaBytes) +
                                     " bytes, got " + std::to_string(frame.payload.size())});
  }
  auto request = std::make_unique<core::RegisterSchema>(session.tenant());
  if (core::Error error = from_proto(message, std::string(frame.payload.view()), request.get())) {
    return session.fail(header, error);
  }
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::RegisterSchemaOk ok;
    to_proto(core::as<core::RegisterSchema>(*reply), &ok);
    to.reply(header, ok);
  });
}

void handle_list_schemas(Session& session, net::native::Frame&& frame) {
  proto::ListSchemas message;
  if (!session.parse(frame, &message)) return;
  proto::ListSchemasOk ok;
  const core::Error error =
      list(*session.reactor().catalog(), session.tenant().tenant(), message, &ok);
  if (error) return session.fail(frame.header, error);
  session.reply(frame.header, ok);
}

void handle_get_schema(Session& session, net::native::Frame&& frame) {
  proto::GetSchema message;
  if (!session.parse(frame, &message)) return;
  core::SchemaVersionPtr found;
  const core::Error error = find(*session.reactor().catalog(), session.tenant().tenant(),
                                 message.type(), message.version(), &found);
  if (error) return session.fail(frame.header, error);
  proto::GetSchemaOk ok;
  to_proto(*found, message.type(), ok.mutable_schema());
  const SharedBytes text = SharedBytes::copy_of(found->source->text);
  session.reply(frame.header, ok, std::span(&text, 1));
}

void handle_delete_schema(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeleteSchema message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = may_change_schemas(session)) return session.fail(header, error);
  auto request = std::make_unique<core::DeleteSchema>(session.tenant());
  request->shard = kMetaShard;
  request->type = message.type();
  request->version = message.version();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::DeleteSchemaOk ok;
    ok.set_deleted(core::as<core::DeleteSchema>(*reply).deleted);
    to.reply(header, ok);
  });
}

void handle_diff_schemas(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DiffSchemas message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::DiffSchemas>(session.tenant());
  request->shard = kMetaShard;
  request->type = message.type();
  request->from = message.from();
  request->to = message.to();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::DiffSchemasOk ok;
    to_proto(core::as<core::DiffSchemas>(*reply), &ok);
    to.reply(header, ok);
  });
}

void handle_check_event(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CheckEvent message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::CheckEvent>(session.tenant());
  request->shard = kMetaShard;
  request->type = message.type();
  request->version = message.version();
  request->value = std::move(frame.payload);
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::CheckEventOk ok;
    to_proto(core::as<core::CheckEvent>(*reply), &ok);
    to.reply(header, ok);
  });
}

void handle_update_schema_type(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::UpdateSchemaType message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = may_change_schemas(session)) return session.fail(header, error);
  auto request = std::make_unique<core::UpdateSchemaType>(session.tenant());
  if (core::Error error = from_proto(message, request.get())) return session.fail(header, error);
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::UpdateSchemaTypeOk ok;
    to_proto(*core::as<core::UpdateSchemaType>(*reply).changed, ok.mutable_schema());
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

// list_types: what happened to a topic's events, by type.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_types.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_list_types(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListTypes message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::ListTypes>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  error = from_proto(message, request.get());
  if (error) return session.fail(header, error);
  request->shard = request->topic->shard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::ListTypesOk ok;
    for (const auto& row : core::as<core::ListTypes>(*reply).types) to_proto(row, ok.add_types());
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

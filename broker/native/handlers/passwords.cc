// set_password, delete_password.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/native/server.h"
#include "broker/runtime/new_key.h"

namespace headrace::native {

void handle_set_password(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::SetPassword message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::SetPassword>(session.tenant());
  request->password = std::move(*message.mutable_password());
  if (request->password.empty()) {
    return session.fail(header, {core::ErrorCode::invalid_request, "password: is missing"});
  }
  runtime::NewSalts salts = runtime::make_salts();
  request->shard = kMetaShard;
  request->principal = message.principal();
  request->salt = std::move(salts.salt);
  request->login_secret = std::move(salts.login_secret);
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& set = core::as<core::SetPassword>(*reply);
    proto::SetPasswordOk ok;
    to_proto(*set.holder, ok.mutable_principal());
    ok.set_anonymous_ends(set.anonymous_ends);
    to.reply(header, ok);
  });
}

void handle_delete_password(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeletePassword message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::SetPassword>(session.tenant());
  request->shard = kMetaShard;
  request->principal = message.principal();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::DeletePasswordOk ok;
    to_proto(*core::as<core::SetPassword>(*reply).holder, ok.mutable_principal());
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

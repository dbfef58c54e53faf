// me, list_principals, create_principal, update_principal, delete_principal.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_me(Session& session, net::native::Frame&& frame) {
  proto::MeOk ok;
  to_proto(*session.reactor().catalog(), session.tenant(), &ok);
  session.reply(frame.header, ok);
}

void handle_list_principals(Session& session, net::native::Frame&& frame) {
  proto::ListPrincipals message;
  if (!session.parse(frame, &message)) return;
  proto::ListPrincipalsOk ok;
  const core::Error error =
      list(*session.reactor().catalog(), session.tenant().tenant(), message, &ok);
  if (error) return session.fail(frame.header, error);
  session.reply(frame.header, ok);
}

void handle_create_principal(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CreatePrincipal message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::CreatePrincipal>(session.tenant());
  if (core::Error error = from_proto(message.grants(), &request->grants)) {
    return session.fail(header, error);
  }
  request->shard = kMetaShard;
  request->name = message.name();
  request->subjects.assign(message.subjects().begin(), message.subjects().end());
  request->platform = message.platform();
  request->if_missing = message.if_missing();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& made = core::as<core::CreatePrincipal>(*reply);
    proto::CreatePrincipalOk ok;
    to_proto(*made.made, ok.mutable_principal());
    ok.set_created(made.created);
    to.reply(header, ok);
  });
}

void handle_update_principal(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::UpdatePrincipal message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::UpdatePrincipal>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  request->if_version = message.if_version();
  if (message.has_grants()) {
    request->grants.emplace();
    if (core::Error error = from_proto(message.grants().grants(), &*request->grants)) {
      return session.fail(header, error);
    }
  }
  if (message.has_subjects()) {
    const auto& subjects = message.subjects().subjects();
    request->subjects.emplace(subjects.begin(), subjects.end());
  }
  if (message.has_platform()) request->platform = message.platform();
  if (message.has_disabled()) request->disabled = message.disabled();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::UpdatePrincipalOk ok;
    to_proto(*core::as<core::UpdatePrincipal>(*reply).changed, ok.mutable_principal());
    to.reply(header, ok);
  });
}

void handle_delete_principal(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeletePrincipal message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::DeletePrincipal>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    to.reply(header, proto::DeletePrincipalOk());
  });
}

}  // namespace headrace::native

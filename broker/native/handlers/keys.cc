// list_keys, create_key, revoke_key. A key's text exists here, in its one answer, and nowhere else.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/native/server.h"
#include "broker/runtime/new_key.h"

namespace headrace::native {

void handle_list_keys(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListKeys message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::ListKeys>(session.tenant());
  request->shard = kMetaShard;
  request->principal = message.principal();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::ListKeysOk ok;
    for (const auto& row : core::as<core::ListKeys>(*reply).rows) {
      to_proto(*row.holder, row.key, row.last_used_us, ok.add_keys());
    }
    to.reply(header, ok);
  });
}

void handle_create_key(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CreateKey message;
  if (!session.parse(frame, &message)) return;
  if (message.note().size() > limits::kNameMax) {
    return session.fail(header, {core::ErrorCode::invalid_request,
                                 "note: at most " + std::to_string(limits::kNameMax) + " bytes"});
  }
  if (message.expires_after_ms() < 0 ||
      message.expires_after_ms() > limits::kKeyLifeUsMax / kMicrosPerMilli) {
    return session.fail(
        header, {core::ErrorCode::invalid_request, "expires_after_ms: 0 to the ms of 100 years"});
  }
  auto request = std::make_unique<core::CreateKey>(session.tenant());
  runtime::NewKey made = runtime::make_key();
  request->shard = kMetaShard;
  request->principal = message.principal();
  request->key = std::move(made.key);
  request->expires_after_us = message.expires_after_ms() * kMicrosPerMilli;
  request->key.note = message.note();
  session.ask(std::move(request), 0,
              [header, secret = std::move(made.text)](Session& to, core::RequestPtr reply) {
                if (reply->error) return to.fail(header, reply->error);
                const auto& created = core::as<core::CreateKey>(*reply);
                proto::CreateKeyOk ok;
                to_proto(*created.holder, created.key, 0, ok.mutable_key());
                ok.set_secret(secret);
                ok.set_anonymous_ends(created.anonymous_ends);
                to.reply(header, ok);
              });
}

void handle_revoke_key(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::RevokeKey message;
  if (!session.parse(frame, &message)) return;
  if (message.after_ms() < 0 || message.after_ms() > limits::kRevokeAfterUsMax / kMicrosPerMilli) {
    return session.fail(header,
                        {core::ErrorCode::invalid_request, "after_ms: 0 to the ms of 366 days"});
  }
  auto request = std::make_unique<core::RevokeKey>(session.tenant());
  request->shard = kMetaShard;
  request->id = message.id();
  request->after_us = message.after_ms() * kMicrosPerMilli;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& revoked = core::as<core::RevokeKey>(*reply);
    proto::RevokeKeyOk ok;
    ok.set_id(revoked.id);
    ok.set_principal(revoked.principal);
    ok.set_expires_us(revoked.expires_us);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

// list_tenants, create_tenant, set_tenant_state, delete_tenant: for platform admins.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_list_tenants(Session& session, net::native::Frame&& frame) {
  proto::ListTenants message;
  if (!session.parse(frame, &message)) return;
  proto::ListTenantsOk ok;
  const core::Error error = list(*session.reactor().catalog(), message, &ok);
  if (error) return session.fail(frame.header, error);
  session.reply(frame.header, ok);
}

void handle_create_tenant(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CreateTenant message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::CreateTenant>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  request->if_missing = message.if_missing();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& made = core::as<core::CreateTenant>(*reply);
    proto::CreateTenantOk ok;
    to_proto(*to.reactor().catalog(), *made.made, ok.mutable_tenant());
    ok.set_created(made.created);
    to.reply(header, ok);
  });
}

void handle_set_tenant_state(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::SetTenantState message;
  if (!session.parse(frame, &message)) return;
  const bool suspended = message.state() == "suspended";
  if (!suspended && message.state() != "active") {
    return session.fail(header,
                        {core::ErrorCode::invalid_request, "state: is active or suspended"});
  }
  auto request = std::make_unique<core::SetTenantState>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  request->why = message.reason();
  request->state = suspended ? core::Tenant::State::suspended : core::Tenant::State::active;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::SetTenantStateOk ok;
    to_proto(*to.reactor().catalog(), *core::as<core::SetTenantState>(*reply).changed,
             ok.mutable_tenant());
    to.reply(header, ok);
  });
}

void handle_delete_tenant(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeleteTenant message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::DeleteTenant>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  request->why = message.reason();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::DeleteTenantOk ok;
    to_proto(core::as<core::DeleteTenant>(*reply), &ok);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

// set_quotas: what a tenant may use, for platform admins. show_quotas: what the caller's own may,
// and uses.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_set_quotas(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::SetQuotas message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::SetQuotas>(session.tenant());
  request->shard = kMetaShard;
  request->name = message.name();
  request->changes = from_proto(message.quotas());
  request->why = message.reason();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::SetQuotasOk ok;
    to_proto(*to.reactor().catalog(), *core::as<core::SetQuotas>(*reply).changed,
             ok.mutable_tenant());
    to.reply(header, ok);
  });
}

void handle_show_quotas(Session& session, net::native::Frame&& frame) {
  proto::ShowQuotas message;
  if (!session.parse(frame, &message)) return;
  const core::CatalogPtr& catalog = session.reactor().catalog();
  const core::TenantPtr tenant = catalog->tenant(session.tenant().tenant());
  if (tenant == nullptr) {
    return session.fail(frame.header, core::Error(core::ErrorCode::unknown_tenant));
  }
  proto::ShowQuotasOk ok;
  to_proto(*catalog, *tenant, ok.mutable_tenant());
  session.reply(frame.header, ok);
}

}  // namespace headrace::native

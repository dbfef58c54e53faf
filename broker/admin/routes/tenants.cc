// /v1/tenants: for platform admins.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_access.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_access.h"
#include "json/access.h"
#include "json/json_rows.h"

namespace headrace::admin {
namespace {

std::string tenant_json(const core::CatalogSnapshot& catalog, const core::Tenant& tenant) {
  proto::Tenant message;
  native::to_proto(catalog, tenant, &message);
  std::string body;
  JsonLine line(&body);
  tenant_fields(&line, message);
  line.end();
  return body;
}

void set_tenant_state(const CallPtr& call, core::Tenant::State state) {
  Body body(call->request());
  auto request = std::make_unique<core::SetTenantState>(call->tenant());
  request->name = call->parameter("tenant");
  request->state = state;
  request->why = body.text("reason").value_or("");
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::SetTenantState>(std::move(request), [call](core::SetTenantState& done) {
    call->reply(200, tenant_json(*call->catalog(), *done.changed));
  });
}

}  // namespace

void get_tenants(const CallPtr& call) {
  Query query(call->request());
  proto::ListTenants asked;
  asked.set_page_size(query.limit());
  asked.set_after(query.text("cursor").value_or(""));
  if (const core::Error error = query.finish()) return call->fail(error);
  proto::ListTenantsOk page;
  if (const core::Error error = native::list(*call->catalog(), asked, &page)) {
    return call->fail(error);
  }
  JsonRows rows;
  for (const auto& tenant : page.tenants()) {
    rows.add([&](JsonLine* line) { tenant_fields(line, tenant); });
  }
  std::optional<std::string> next;
  if (page.more()) next = page.tenants().rbegin()->name();
  std::string body;
  JsonLine(&body).raw("tenants", rows.text()).text_or_null("next_cursor", next).end();
  call->reply(200, std::move(body));
}

void get_tenant(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const std::string name(call->parameter("tenant"));
  const auto found = call->catalog()->tenant(name);
  if (found == nullptr) {
    return call->fail(core::Error(core::ErrorCode::unknown_tenant, "'" + name + "'"));
  }
  call->reply(200, tenant_json(*call->catalog(), *found));
}

void create_tenant(const CallPtr& call) {
  Body body(call->request());
  auto request = std::make_unique<core::CreateTenant>(call->tenant());
  body.require("tenant");
  request->name = body.text("tenant").value_or("");
  request->if_missing = body.boolean("if_missing");
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::CreateTenant>(std::move(request), [call](core::CreateTenant& made) {
    http::Headers headers;
    if (made.created) headers.emplace_back("Location", "/v1/tenants/" + made.made->name);
    call->reply(made.created ? 201 : 200, tenant_json(*call->catalog(), *made.made),
                std::move(headers));
  });
}

void update_tenant(const CallPtr& call) {
  Body body(call->request());
  auto request = std::make_unique<core::SetQuotas>(call->tenant());
  request->name = call->parameter("tenant");
  request->why = body.text("reason").value_or("");
  body.require("quotas");
  Body quotas = body.object("quotas");
  for (size_t i = 0; i < core::kQuotas; ++i) {
    request->changes.limits[i] =
        quotas.integer(core::info(static_cast<core::Quota>(i)).name, 0, limits::kQuotaMax);
  }
  if (const auto weight = quotas.integer("weight", 1, limits::kTenantWeightMax)) {
    request->changes.weight = static_cast<uint32_t>(*weight);
  }
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::SetQuotas>(std::move(request), [call](core::SetQuotas& done) {
    call->reply(200, tenant_json(*call->catalog(), *done.changed));
  });
}

void get_quotas(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const auto own = call->catalog()->tenant(call->tenant().tenant());
  if (own == nullptr) return call->fail(core::Error(core::ErrorCode::unknown_tenant));
  call->reply(200, tenant_json(*call->catalog(), *own));
}

void suspend_tenant(const CallPtr& call) {
  set_tenant_state(call, core::Tenant::State::suspended);
}

void resume_tenant(const CallPtr& call) {
  set_tenant_state(call, core::Tenant::State::active);
}

void delete_tenant(const CallPtr& call) {
  Body body(call->request());
  auto request = std::make_unique<core::DeleteTenant>(call->tenant());
  request->name = call->parameter("tenant");
  body.require("confirm");
  const auto confirm = body.text("confirm");
  if (confirm && *confirm != request->name) body.wrong("confirm", "is not the tenant's name");
  request->why = body.text("reason").value_or("");
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::DeleteTenant>(std::move(request), [call](core::DeleteTenant& gone) {
    proto::DeleteTenantOk receipt;
    native::to_proto(gone, &receipt);
    std::string reply;
    JsonLine line(&reply);
    receipt_fields(&line, receipt);
    line.end();
    call->reply(200, std::move(reply));
  });
}

}  // namespace headrace::admin

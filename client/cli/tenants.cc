// tenants create / ls / describe / suspend / resume / delete: for platform admins.

#include "client/access.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/access.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

int show_tenant(const ConnectArguments& connect, const proto::Tenant& tenant, const char* what) {
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    tenant_fields(&line, tenant);
    line.end();
  } else {
    out = what + tenant.name() + ", " + tenant.state() + "\n";
  }
  print(out);
  return kDone;
}

int change_state(const ConnectArguments& connect, const TenantArguments& given, const char* state) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::set_tenant_state(*client.value, given.tenant, state, given.reason);
  if (!reply.ok()) return report(reply.error);
  return show_tenant(connect, reply->tenant(), "");
}

}  // namespace

int create_tenant(const ConnectArguments& connect, const TenantArguments& given) {
  proto::CreateTenant request;
  request.set_name(given.tenant);
  request.set_if_missing(given.if_missing);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::create_tenant(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  return show_tenant(connect, reply->tenant(), reply->created() ? "created " : "exists already: ");
}

int list_tenants(const ConnectArguments& connect, const TenantArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::string out;
  Table table({"TENANT", "STATE", "TOPICS", "GROUPS", "PRINCIPALS", "CREATED"});
  proto::ListTenants request;
  request.set_name(given.tenant);
  request.set_page_size(100);
  bool more = true;
  while (more) {
    const auto page = client::list_tenants(*client.value, request);
    if (!page.ok()) return report(page.error);
    for (const auto& tenant : page->tenants()) {
      request.set_after(tenant.name());
      if (connect.json) {
        JsonLine line(&out);
        tenant_fields(&line, tenant);
        line.end();
        continue;
      }
      table.row({tenant.name(), tenant.state(), std::to_string(tenant.topics()),
                 std::to_string(tenant.groups()), std::to_string(tenant.principals()),
                 format_time_us(tenant.created_us())});
    }
    more = page->more();
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int suspend_tenant(const ConnectArguments& connect, const TenantArguments& given) {
  return change_state(connect, given, "suspended");
}

int resume_tenant(const ConnectArguments& connect, const TenantArguments& given) {
  return change_state(connect, given, "active");
}

int delete_tenant(const ConnectArguments& connect, const TenantArguments& given) {
  if (given.confirm != given.tenant) {
    return usage_error("delete removes all that the tenant has: --confirm " + given.tenant +
                       " says that you mean it");
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto receipt = client::delete_tenant(*client.value, given.tenant, given.reason);
  if (!receipt.ok()) return report(receipt.error);
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    receipt_fields(&line, receipt.value);
    line.end();
  } else {
    out = "deleted " + given.tenant + ": " + std::to_string(receipt->events()) + " events (" +
          std::to_string(receipt->bytes()) + " bytes) in " + std::to_string(receipt->topics()) +
          " topics, " + std::to_string(receipt->groups()) + " groups, " +
          std::to_string(receipt->principals()) + " principals\n";
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli

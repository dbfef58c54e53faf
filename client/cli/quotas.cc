// tenants update: what a tenant may use, for platform admins. quotas: what one's own may and uses.
#include "json/quotas.h"

#include <charconv>

#include "client/access.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/access.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

std::string flag_of(std::string_view name) {
  std::string flag = "--" + std::string(name);
  for (char& c : flag) c = c == '_' ? '-' : c;
  return flag;
}

std::optional<int64_t> parse_count(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// `none` and 0: no limit any more.
std::optional<int64_t> parse_limit(const QuotaField& field, const std::string& text) {
  if (text == "none") return 0;
  return field.bytes ? parse_size(text) : parse_count(text);
}

std::string shown(const QuotaField& field, int64_t amount) {
  return field.bytes ? format_size(amount) : std::to_string(amount);
}

std::string used(const QuotaField& field, const proto::TenantUse& use) {
  if (field.name == "stored_bytes") {
    return use.has_stored_bytes() ? format_size(use.stored_bytes()) : "not counted";
  }
  if (field.name == "connections") return std::to_string(use.connections());
  if (field.name == "topics") return std::to_string(use.topics());
  if (field.name == "groups") return std::to_string(use.groups());
  if (field.name == "in_flight") return std::to_string(use.in_flight());
  return "";
}

int show(const ConnectArguments& connect, const proto::Tenant& tenant) {
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    tenant_fields(&line, tenant);
    line.end();
    print(out);
    return kDone;
  }
  Table table({"QUOTA", "LIMIT", "USED", "REFUSED"});
  for (const QuotaField& field : kQuotaFields) {
    table.row({std::string(field.name),
               field.has(tenant.quotas()) ? shown(field, field.get(tenant.quotas())) : "none",
               used(field, tenant.use()), std::to_string(field.denials(tenant.use().denials()))});
  }
  table.row({"weight", std::to_string(tenant.quotas().weight()), "", ""});
  print(table.text());
  return kDone;
}

}  // namespace

int set_quotas(const ConnectArguments& connect, const TenantArguments& given) {
  proto::Quotas quotas;
  for (const QuotaField& field : kQuotaFields) {
    const auto text = given.quotas.find(std::string(field.name));
    if (text == given.quotas.end()) continue;
    const auto limit = parse_limit(field, text->second);
    if (!limit) {
      return usage_error(flag_of(field.name) + ": '" + text->second + "' is not `none` or " +
                         (field.bytes ? std::string(kSizeExample) : "a whole number"));
    }
    field.set(&quotas, *limit);
  }
  if (const auto text = given.quotas.find("weight"); text != given.quotas.end()) {
    const auto weight = parse_count(text->second);
    if (!weight || *weight < 1 || *weight > UINT32_MAX) {
      return usage_error("--weight: '" + text->second + "' is not a whole number from 1");
    }
    quotas.set_weight(static_cast<uint32_t>(*weight));
  }
  if (given.quotas.empty()) return usage_error("update: say what shall change");
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::set_quotas(*client.value, given.tenant, quotas, given.reason);
  if (!reply.ok()) return report(reply.error);
  return show(connect, reply->tenant());
}

int show_quotas(const ConnectArguments& connect) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::show_quotas(*client.value);
  if (!reply.ok()) return report(reply.error);
  return show(connect, reply->tenant());
}

}  // namespace headrace::cli

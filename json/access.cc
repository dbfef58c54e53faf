#include "json/access.h"

#include <optional>
#include <vector>

#include "json/quotas.h"
#include "metrics/quantity.h"

namespace headrace {
namespace {

template <class Texts>
std::string array_of(const Texts& texts) {
  std::string json = "[";
  for (const auto& text : texts) {
    if (json.size() > 1) json += ',';
    append_json_string(&json, text);
  }
  return json + "]";
}

template <class Grants>
std::string roles_of(const Grants& grants) {
  std::vector<std::string> roles;
  for (const auto& grant : grants) roles.push_back(role_text(grant));
  return array_of(roles);
}

std::string closed(std::string line) {
  line += '}';
  return line;
}

std::string quotas_of(const proto::Quotas& quotas) {
  std::string json;
  JsonLine line(&json);
  for (const QuotaField& field : kQuotaFields) {
    if (field.has(quotas)) line.number(field.name, field.get(quotas));
  }
  line.number("weight", quotas.has_weight() ? quotas.weight() : 1);
  return closed(json);
}

std::string denials_of(const proto::Denials& denials) {
  std::string json;
  JsonLine line(&json);
  for (const QuotaField& field : kQuotaFields) {
    const uint64_t count = field.denials(denials);
    if (count > 0) line.number(field.name, static_cast<int64_t>(count));
  }
  return closed(json);
}

std::string use_of(const proto::TenantUse& use) {
  std::string json;
  JsonLine line(&json);
  if (use.has_stored_bytes())
    line.number("stored_bytes", use.stored_bytes());
  else
    line.null("stored_bytes");
  line.number("connections", use.connections())
      .number("topics", use.topics())
      .number("groups", use.groups())
      .number("in_flight", use.in_flight())
      .raw("denials", denials_of(use.denials()));
  return closed(json);
}

}  // namespace

std::string role_text(const proto::Grant& grant) {
  std::string text = grant.role();
  if (!grant.topics().empty() || !grant.types().empty()) text += ":" + grant.topics();
  if (!grant.types().empty()) text += ":" + grant.types();
  return text;
}

void tenant_fields(JsonLine* line, const proto::Tenant& tenant) {
  line->text("tenant", tenant.name())
      .number("id", tenant.id())
      .text("state", tenant.state())
      .text("created", format_time_us(tenant.created_us()))
      .number("topics", tenant.topics())
      .number("groups", tenant.groups())
      .number("principals", tenant.principals())
      .raw("quotas", quotas_of(tenant.quotas()))
      .raw("use", use_of(tenant.use()));
}

void receipt_fields(JsonLine* line, const proto::DeleteTenantOk& receipt) {
  line->text("tenant", receipt.name())
      .number("id", receipt.id())
      .boolean("deleted", true)
      .number("topics", receipt.topics())
      .number("groups", receipt.groups())
      .number("principals", receipt.principals())
      .number("events", receipt.events())
      .number("bytes", receipt.bytes());
}

void principal_fields(JsonLine* line, const proto::Principal& principal) {
  line->text("principal", principal.name())
      .number("id", principal.id())
      .raw("roles", roles_of(principal.grants()))
      .boolean("platform", principal.platform())
      .boolean("disabled", principal.disabled())
      .raw("subjects", array_of(principal.subjects()))
      .number("keys", principal.keys())
      .time_or_null("password_set", principal.password_set_us())
      .text("created", format_time_us(principal.created_us()))
      .number("version", static_cast<int64_t>(principal.version()));
}

void key_fields(JsonLine* line, const proto::Key& key) {
  line->text("key", key.id()).text("principal", key.principal());
  line->text("created", format_time_us(key.created_us()));
  line->time_or_null("expires", key.expires_us());
  line->time_or_null("last_used", key.last_used_us());
  line->text("note", key.note());
}

void me_fields(JsonLine* line, const proto::MeOk& me) {
  line->text("tenant", me.tenant())
      .text("principal", me.principal())
      .raw("roles", roles_of(me.grants()))
      .boolean("platform", me.platform())
      .boolean("anonymous", me.anonymous())
      .boolean("password", me.password());
  line->text_or_null("key",
                     me.key().empty() ? std::nullopt : std::optional<std::string_view>(me.key()));
  line->time_or_null("expires", me.key_expires_us());
  line->text_or_null(
      "reason", me.reason().empty() ? std::nullopt : std::optional<std::string_view>(me.reason()));
}

}  // namespace headrace

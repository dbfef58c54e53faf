#include "broker/native/handlers/convert_access.h"

#include "broker/native/handlers/convert.h"

namespace headrace::native {
namespace {

uint32_t count(size_t number) {
  return static_cast<uint32_t>(number);
}

void to_proto(const core::Quotas& quotas, proto::Quotas* to) {
#define HR_QUOTA(number, name, unit, text) \
  if (quotas.of(core::Quota::name) > 0) to->set_##name(quotas.of(core::Quota::name));
#include "json/quotas.def"
#undef HR_QUOTA
  to->set_weight(quotas.weight);
}

void to_proto(const core::TenantUse& use, proto::TenantUse* to) {
  constexpr auto kNow = std::memory_order_relaxed;
  if (use.stored_known.load(kNow)) to->set_stored_bytes(use.stored_bytes.load(kNow));
  to->set_connections(use.connections.load(kNow));
  to->set_in_flight(use.in_flight.load(kNow));
#define HR_QUOTA(number, name, unit, text) \
  to->mutable_denials()->set_##name(use.denials[size_t(core::Quota::name)].load(kNow));
#include "json/quotas.def"
#undef HR_QUOTA
}

}  // namespace

void to_proto(const core::Grant& grant, proto::Grant* to) {
  to->set_role(std::string(core::to_string(grant.role)));
  to->set_topics(grant.topics);
  to->set_types(grant.types);
}

void to_proto(const core::CatalogSnapshot& catalog, const core::Tenant& tenant, proto::Tenant* to) {
  to->set_name(tenant.name);
  to->set_id(tenant.id.value());
  to->set_state(std::string(core::to_string(tenant.state)));
  to->set_created_us(tenant.created_us);
  to->set_topics(count(core::count_of(catalog.topics, tenant.id)));
  to->set_groups(count(core::count_of(catalog.groups, tenant.id)));
  to->set_principals(count(core::count_of(catalog.principals, tenant.id)));
  to_proto(tenant.quotas, to->mutable_quotas());
  if (tenant.use == nullptr) return;
  to_proto(*tenant.use, to->mutable_use());
  const bool system = catalog.topic(tenant.id, core::kSystemTopic) != nullptr;
  to->mutable_use()->set_topics(int64_t{to->topics()} - (system ? 1 : 0));
  to->mutable_use()->set_groups(to->groups());
}

core::QuotaChanges from_proto(const proto::Quotas& quotas) {
  core::QuotaChanges changes;
#define HR_QUOTA(number, name, unit, text) \
  if (quotas.has_##name()) changes.limits[size_t(core::Quota::name)] = quotas.name();
#include "json/quotas.def"
#undef HR_QUOTA
  if (quotas.has_weight()) changes.weight = quotas.weight();
  return changes;
}

void to_proto(const core::Principal& principal, proto::Principal* to) {
  to->set_name(principal.name);
  to->set_id(principal.id.value());
  for (const auto& grant : principal.grants) to_proto(grant, to->add_grants());
  to->set_platform(principal.platform);
  to->set_disabled(principal.disabled);
  to->set_created_us(principal.created_us);
  to->set_version(principal.version);
  for (const auto& subject : principal.subjects) to->add_subjects(subject);
  to->set_keys(count(principal.keys.size()));
  if (principal.password) to->set_password_set_us(principal.password->set_us);
}

void to_proto(const core::Principal& holder, const core::ApiKey& key, int64_t last_used_us,
              proto::Key* to) {
  to->set_id(key.id);
  to->set_principal(holder.name);
  to->set_created_us(key.created_us);
  to->set_expires_us(key.expires_us);
  to->set_last_used_us(last_used_us);
  to->set_note(key.note);
}

void to_proto(const core::CatalogSnapshot& catalog, const core::TenantContext& who,
              proto::MeOk* to) {
  const core::Caller& caller = *who.caller();
  const core::TenantPtr tenant = catalog.tenant(who.tenant());
  if (tenant != nullptr) to->set_tenant(tenant->name);
  to->set_principal(caller.actor);
  for (const auto& grant : caller.grants) to_proto(grant, to->add_grants());
  to->set_platform(caller.platform);
  to->set_key(caller.key);
  to->set_key_expires_us(caller.expires_us);
  to->set_reason(caller.reason);
  to->set_anonymous(caller.principal == nullptr);
  to->set_password(caller.by_password);
}

void to_proto(const core::DeleteTenant& receipt, proto::DeleteTenantOk* to) {
  to->set_name(receipt.name);
  to->set_id(receipt.id.value());
  to->set_topics(receipt.topics);
  to->set_groups(receipt.groups);
  to->set_principals(receipt.principals);
  to->set_events(receipt.events);
  to->set_bytes(receipt.bytes);
}

core::Error from_proto(const google::protobuf::RepeatedPtrField<proto::Grant>& grants,
                       std::vector<core::Grant>* to) {
  to->clear();
  for (int i = 0; i < grants.size(); ++i) {
    const std::string at = "grants[" + std::to_string(i) + "].";
    const auto role = core::parse_role(grants[i].role());
    if (!role) {
      return {core::ErrorCode::invalid_request, at + "role: one of " + core::role_names()};
    }
    if (!grants[i].topics().empty()) {
      if (core::Error error = core::check_name(at + "topics", grants[i].topics())) return error;
    }
    if (!grants[i].types().empty()) {
      if (core::Error error = core::check_name(at + "types", grants[i].types())) return error;
    }
    to->push_back({*role, grants[i].topics(), grants[i].types()});
  }
  return {};
}

core::Error list(const core::CatalogSnapshot& catalog, const proto::ListTenants& asked,
                 proto::ListTenantsOk* to) {
  if (!asked.name().empty()) {
    const core::TenantPtr one = catalog.tenant(asked.name());
    if (one == nullptr) {
      return core::Error(core::ErrorCode::unknown_tenant, "'" + asked.name() + "'");
    }
    to_proto(catalog, *one, to->add_tenants());
    return {};
  }
  uint32_t size = 0;
  if (core::Error error = from_proto_page_size(asked.page_size(), &size)) return error;
  auto at = catalog.tenants.upper_bound(asked.after());
  for (; at != catalog.tenants.end() && count(to->tenants_size()) < size; ++at) {
    to_proto(catalog, *at->second, to->add_tenants());
  }
  to->set_more(at != catalog.tenants.end());
  return {};
}

core::Error list(const core::CatalogSnapshot& catalog, TenantId tenant,
                 const proto::ListPrincipals& asked, proto::ListPrincipalsOk* to) {
  if (!asked.name().empty()) {
    const core::PrincipalPtr one = catalog.principal(tenant, asked.name());
    if (one == nullptr) {
      return {core::ErrorCode::unknown_principal, "'" + asked.name() + "'"};
    }
    to_proto(*one, to->add_principals());
    return {};
  }
  uint32_t size = 0;
  if (core::Error error = from_proto_page_size(asked.page_size(), &size)) return error;
  auto at = catalog.principals.upper_bound({tenant, asked.after()});
  const auto in_tenant = [&] {
    return at != catalog.principals.end() && at->first.first == tenant;
  };
  for (; in_tenant() && count(to->principals_size()) < size; ++at) {
    to_proto(*at->second, to->add_principals());
  }
  to->set_more(in_tenant());
  return {};
}

}  // namespace headrace::native

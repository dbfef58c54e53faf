#include "broker/core/principal.h"

#include <algorithm>

#include "records.pb.h"

namespace headrace::core {
namespace {

constexpr std::string_view kKeyBegin = "hr_";
constexpr size_t kKeyIdSize = 12;
constexpr size_t kSecretSize = 43;

std::string_view bytes_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

bool decode(const records::Password& row, Password* to) {
  sasl::ScramSecrets& secrets = to->secrets;
  if (row.stored_key().size() != sizeof(Sha256) || row.server_key().size() != sizeof(Sha256) ||
      row.salt().empty() || row.iterations() < sasl::kIterationsMin) {
    return false;
  }
  secrets.salt = row.salt();
  secrets.iterations = row.iterations();
  std::ranges::copy(row.stored_key(), reinterpret_cast<char*>(secrets.stored_key.data()));
  std::ranges::copy(row.server_key(), reinterpret_cast<char*>(secrets.server_key.data()));
  to->set_us = row.set_us();
  return true;
}

}  // namespace

std::string_view to_string(Tenant::State state) {
  switch (state) {
    case Tenant::State::active:
      return "active";
    case Tenant::State::suspended:
      return "suspended";
    case Tenant::State::deleting:
      return "deleting";
  }
  return "invalid";
}

bool is_key_id(std::string_view id) {
  return id.size() == kKeyIdSize && std::ranges::all_of(id, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::optional<std::string_view> key_id(std::string_view text) {
  if (text.size() != kKeyBegin.size() + kKeyIdSize + 1 + kSecretSize) return std::nullopt;
  if (!text.starts_with(kKeyBegin) || text[kKeyBegin.size() + kKeyIdSize] != '_') {
    return std::nullopt;
  }
  const std::string_view id = text.substr(kKeyBegin.size(), kKeyIdSize);
  if (!is_key_id(id)) return std::nullopt;
  return id;
}

std::string encode(const Tenant& tenant) {
  records::Tenant row;
  row.set_name(tenant.name);
  row.set_created_us(tenant.created_us);
  row.set_dedicated(tenant.dedicated);
  row.set_state(static_cast<uint32_t>(tenant.state));
  for (size_t i = 0; i < kQuotas; ++i) {
    const int64_t limit = tenant.quotas.limits[i];
    if (limit > 0) (*row.mutable_quotas())[info(static_cast<Quota>(i)).number] = limit;
  }
  if (tenant.quotas.weight != 1) row.set_weight(tenant.quotas.weight);
  row.set_login_secret(tenant.login_secret);
  return row.SerializeAsString();
}

std::optional<Tenant> decode_tenant(TenantId id, std::string_view bytes) {
  records::Tenant row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (row.name().empty() || row.state() > 2) return std::nullopt;
  Tenant tenant;
  tenant.id = id;
  tenant.name = row.name();
  tenant.state = static_cast<Tenant::State>(row.state());
  tenant.created_us = row.created_us();
  tenant.dedicated = row.dedicated();
  for (size_t i = 0; i < kQuotas; ++i) {
    const auto limit = row.quotas().find(info(static_cast<Quota>(i)).number);
    if (limit != row.quotas().end()) tenant.quotas.limits[i] = limit->second;
  }
  if (row.weight() != 0) tenant.quotas.weight = row.weight();
  tenant.login_secret = row.login_secret();
  if (check_quotas(tenant.quotas)) return std::nullopt;
  tenant.use = std::make_shared<TenantUse>();
  tenant.use->weight.store(tenant.quotas.weight, std::memory_order_relaxed);
  return tenant;
}

std::string encode(const Principal& principal) {
  records::Principal row;
  row.set_name(principal.name);
  row.set_created_us(principal.created_us);
  for (const Grant& grant : principal.grants) {
    auto* to = row.add_grants();
    to->set_role(static_cast<uint32_t>(grant.role));
    to->set_topics(grant.topics);
    to->set_types(grant.types);
  }
  row.set_platform(principal.platform);
  row.set_disabled(principal.disabled);
  row.set_version(principal.version);
  for (const ApiKey& key : principal.keys) {
    auto* to = row.add_keys();
    to->set_id(key.id);
    to->set_hash(std::string(bytes_of(key.hash)));
    to->set_created_us(key.created_us);
    to->set_expires_us(key.expires_us);
    to->set_note(key.note);
  }
  for (const std::string& subject : principal.subjects) row.add_subjects(subject);
  if (principal.password) {
    const sasl::ScramSecrets& secrets = principal.password->secrets;
    auto* to = row.mutable_password();
    to->set_salt(secrets.salt);
    to->set_iterations(secrets.iterations);
    to->set_stored_key(std::string(bytes_of(secrets.stored_key)));
    to->set_server_key(std::string(bytes_of(secrets.server_key)));
    to->set_set_us(principal.password->set_us);
  }
  return row.SerializeAsString();
}

std::optional<Principal> decode_principal(TenantId tenant, PrincipalId id, std::string_view bytes) {
  records::Principal row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  Principal principal;
  principal.tenant = tenant;
  principal.id = id;
  principal.name = row.name();
  principal.created_us = row.created_us();
  for (const auto& grant : row.grants()) {
    const auto role = role_of(grant.role());
    if (!role) return std::nullopt;
    principal.grants.push_back({*role, grant.topics(), grant.types()});
  }
  principal.platform = row.platform();
  principal.disabled = row.disabled();
  principal.version = row.version();
  for (const auto& key : row.keys()) {
    ApiKey to{key.id(), {}, key.created_us(), key.expires_us(), key.note()};
    if (!is_key_id(to.id) || key.hash().size() != to.hash.size()) return std::nullopt;
    std::ranges::copy(key.hash(), reinterpret_cast<char*>(to.hash.data()));
    principal.keys.push_back(std::move(to));
  }
  for (const auto& subject : row.subjects()) principal.subjects.push_back(subject);
  if (row.has_password()) {
    Password& to = principal.password.emplace();
    if (!decode(row.password(), &to)) return std::nullopt;
  }
  return principal;
}

}  // namespace headrace::core

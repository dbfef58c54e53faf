// Tenants, and who may act in them, as the catalog keeps them. Secrets are never here: of an API
// key only its SHA-256 (a random key of 256 bits needs no slower hash). docs/access.md.
//
// Plain values; shared ones are immutable, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/error.h"
#include "broker/core/permission.h"
#include "broker/core/quotas.h"
#include "metrics/sha256.h"
#include "sasl/scram.h"
#include "storage/types.h"

namespace headrace::core {

struct Tenant {
  enum class State : uint8_t { active = 0, suspended = 1, deleting = 2 };  // persistent numbers

  TenantId id;
  std::string name;
  State state = State::active;
  int64_t created_us = 0;
  bool dedicated = false;  // has log families of its own
  Quotas quotas;
  std::string login_secret;  // of `default`: what salts of unknown users are made of
  TenantUsePtr use;          // of this node; never null in a catalog
};
using TenantPtr = std::shared_ptr<const Tenant>;
std::string_view to_string(Tenant::State state);

// hr_<id>_<secret>: the id is 12 hexadecimal digits, looked up; the secret 43 characters of base64
// (RFC 4648, section 5), 32 random bytes.
struct ApiKey {
  std::string id;
  Sha256 hash{};  // of the whole text
  int64_t created_us = 0;
  int64_t expires_us = 0;  // 0: never
  std::string note;

  bool operator==(const ApiKey&) const = default;
};
// The id in a key's text; nothing if it is none.
std::optional<std::string_view> key_id(std::string_view text);
bool is_key_id(std::string_view id);

// Of the password itself nothing is kept.
struct Password {
  sasl::ScramSecrets secrets;
  int64_t set_us = 0;

  bool operator==(const Password&) const = default;
};
// What stands in the place of a key's id where credentials are listed; no key has it.
constexpr std::string_view kPasswordId = "password";

struct Principal {
  TenantId tenant;
  PrincipalId id;
  std::string name;
  std::vector<Grant> grants;
  bool platform = false;  // may do everything in every tenant, by --as-tenant and with a reason
  bool disabled = false;
  int64_t created_us = 0;
  uint64_t version = 1;
  std::vector<ApiKey> keys;
  std::vector<std::string> subjects;  // of client certificates, RFC 2253
  std::optional<Password> password;

  // Somebody can come in as this one.
  bool has_credentials() const {
    return !disabled && (!keys.empty() || !subjects.empty() || password);
  }
};
using PrincipalPtr = std::shared_ptr<const Principal>;

// Catalog records ↔ rows.
std::string encode(const Tenant& tenant);
std::optional<Tenant> decode_tenant(TenantId id, std::string_view row);
std::string encode(const Principal& principal);
std::optional<Principal> decode_principal(TenantId tenant, PrincipalId id, std::string_view row);

}  // namespace headrace::core

// Tenants, principals and their credentials: the meta shard's requests. As api.h. What exists is
// read from the catalog snapshot; who asks has been let in, but whether they may give what they
// give is decided here: nobody hands out, changes or takes a right that they lack.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/core/api_audit.h"

namespace headrace::core {

struct CreateTenant final : RequestOf<Request::Kind::create_tenant> {
  using RequestOf::RequestOf;
  std::string name;
  bool if_missing = false;
  // out
  TenantPtr made;
  bool created = false;
};

struct SetTenantState final : RequestOf<Request::Kind::set_tenant_state> {
  using RequestOf::RequestOf;
  std::string name;
  Tenant::State state = Tenant::State::active;  // or suspended
  std::string why;
  TenantPtr changed;  // out
};

struct SetQuotas final : RequestOf<Request::Kind::set_quotas> {
  using RequestOf::RequestOf;
  std::string name;
  QuotaChanges changes;
  std::string why;
  TenantPtr changed;  // out
};

// With all that it has. Answered when it is gone.
struct DeleteTenant final : RequestOf<Request::Kind::delete_tenant> {
  using RequestOf::RequestOf;
  std::string name;
  std::string why;
  // out: the receipt, which is also in the audit trail
  TenantId id;
  uint32_t topics = 0;
  uint32_t groups = 0;
  uint32_t principals = 0;
  int64_t events = 0;
  int64_t bytes = 0;
};

struct CreatePrincipal final : RequestOf<Request::Kind::create_principal> {
  using RequestOf::RequestOf;
  std::string name;
  std::vector<Grant> grants;
  std::vector<std::string> subjects;
  bool platform = false;
  bool if_missing = false;
  // out
  PrincipalPtr made;
  bool created = false;
};

// What is not given stays.
struct UpdatePrincipal final : RequestOf<Request::Kind::update_principal> {
  using RequestOf::RequestOf;
  std::string name;
  std::optional<std::vector<Grant>> grants;
  std::optional<std::vector<std::string>> subjects;
  std::optional<bool> platform;
  std::optional<bool> disabled;
  uint64_t if_version = 0;  // 0: whatever it is
  PrincipalPtr changed;     // out
};

struct DeletePrincipal final : RequestOf<Request::Kind::delete_principal> {
  using RequestOf::RequestOf;
  std::string name;
};

// Derived by a worker and then forgotten; salts are made where the request comes from. An empty
// password: the principal has none from now on.
struct SetPassword final : RequestOf<Request::Kind::set_password> {
  using RequestOf::RequestOf;
  ~SetPassword() override;  // wipes the password
  std::string principal;
  std::string password;
  std::string salt;
  std::string login_secret;     // taken if the node has none yet
  PrincipalPtr holder;          // out
  bool anonymous_ends = false;  // out: callers without credentials are no longer let in
};

// The secret is made, and shown once, where the request comes from.
struct CreateKey final : RequestOf<Request::Kind::create_key> {
  using RequestOf::RequestOf;
  std::string principal;
  ApiKey key;                    // its times are set by the owner
  int64_t expires_after_us = 0;  // from now; 0: never
  PrincipalPtr holder;           // out
  bool anonymous_ends = false;   // out: callers without credentials are no longer let in
};

// At once, or later, so that the next key can be spread first.
struct RevokeKey final : RequestOf<Request::Kind::revoke_key> {
  using RequestOf::RequestOf;
  std::string id;
  int64_t after_us = 0;  // from now; 0: at once
  // out
  std::string principal;
  int64_t expires_us = 0;
};

// When the keys of the tenant were used last, as far as it is known.
struct ListKeys final : RequestOf<Request::Kind::list_keys> {
  using RequestOf::RequestOf;
  struct Row {
    PrincipalPtr holder;
    ApiKey key;
    int64_t last_used_us = 0;  // 0: not known to have been
  };
  std::string principal;  // empty: of all
  std::vector<Row> rows;  // out
};

// A caller came in by this key: noted at most once a minute.
struct NoteKeyUse final : RequestOf<Request::Kind::note_key_use> {
  using RequestOf::RequestOf;
  std::string id;  // kPasswordId: the caller's password
};

// What the catalog does not change by, but the tenant's audit trail has to tell: durable when it is
// answered. A platform admin enters the tenant; the node is told to work otherwise.
struct NoteAction final : RequestOf<Request::Kind::note_action> {
  using RequestOf::RequestOf;
  AuditAction action = AuditAction::tenant_entered;
  std::string object;
  std::string why;
  std::vector<AuditChange> changes;
};

}  // namespace headrace::core

// Who may touch what. A TenantContext is the proof that a caller was let into a tenant; no storage
// or core call exists without one, and only Access makes them. docs/access.md.
//
// Any thread; what is shared is immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "broker/core/error.h"
#include "broker/core/permission.h"
#include "broker/core/principal.h"
#include "storage/types.h"

namespace headrace::core {

struct CatalogSnapshot;

// Who is behind a TenantContext.
struct Caller {
  std::string actor;  // as the audit trail names them; TENANT/NAME in a tenant that is not theirs
  Rights rights;
  std::vector<Grant> grants;
  bool platform = false;
  std::string reason;      // of a platform admin in another tenant: goes into every audit entry
  PrincipalPtr principal;  // null: the anonymous
  std::string key;         // id of the API key, if it was one
  int64_t expires_us = 0;  // then the key is no longer good; 0: never
  bool by_password = false;

  // As credentials are listed; empty: none that has an id.
  std::string_view credential() const { return by_password ? kPasswordId : std::string_view(key); }
};

class TenantContext {
 public:
  TenantId tenant() const { return tenant_; }
  std::string_view actor() const { return caller_ ? std::string_view(caller_->actor) : "broker"; }
  std::string_view reason() const { return caller_ ? std::string_view(caller_->reason) : ""; }
  // Null: the node itself, which may everything.
  const Caller* caller() const { return caller_.get(); }

  // Anywhere in the tenant: for what needs a topic, the topic is asked about next.
  bool may(Permission permission) const;
  bool may(Permission permission, std::string_view topic) const;
  // Of what is published to this topic some types are refused, by require_type().
  bool types_limited() const { return caller_ != nullptr && caller_->rights.types_limited(); }
  Error require_type(std::string_view topic, std::string_view type) const;
  // forbidden, naming the permission; for all topics.
  Error require(Permission permission) const;
  Error require(Permission permission, std::string_view topic) const;

 private:
  friend class Access;
  TenantContext(TenantId tenant, std::shared_ptr<const Caller> caller)
      : tenant_(tenant), caller_(std::move(caller)) {}

  TenantId tenant_;
  std::shared_ptr<const Caller> caller_;
};

// What a caller brings.
struct Credentials {
  std::string api_key;
  std::string subject;    // of a client certificate that was verified
  std::string tenant;     // empty: the caller's own
  std::string as_tenant;  // of a platform admin: another one
  std::string reason;     // for that
  // Who has proven to know its password, as the catalog had it then; before all others.
  PrincipalPtr authenticated;

  bool none() const { return api_key.empty() && subject.empty() && authenticated == nullptr; }
};

// Whom somebody claims to be who is about to prove that they know the password.
struct Claim {
  PrincipalPtr holder;         // null: there is no such one, or it has no password
  sasl::ScramSecrets secrets;  // made up then, always the same: nobody can tell
};

// auth.anonymous, and where the caller came in.
struct AnonymousRule {
  enum class Mode : uint8_t { automatic, always, never };
  Mode mode = Mode::automatic;
  bool loopback = false;  // the listener's address, not the peer's: a proxy may stand before it
};

class Access {
 public:
  // The one door. unauthenticated, unknown_tenant (also for one that exists and is another's),
  // tenant_suspended, forbidden, invalid_request. `wall_us`: now.
  static Error enter(const CatalogSnapshot& catalog, const AnonymousRule& rule,
                     const Credentials& credentials, int64_t wall_us, TenantContext* context);
  // `tenant` empty: `default`.
  static Claim claim(const CatalogSnapshot& catalog, std::string_view tenant,
                     std::string_view user);
  // Whether what let a caller in still does; access_changed, or why not.
  static Error recheck(const TenantContext& context, const CatalogSnapshot& catalog,
                       const AnonymousRule& rule, int64_t wall_us);
  // Callers without credentials are let in.
  static bool anonymous_allowed(const CatalogSnapshot& catalog, const AnonymousRule& rule);

  // A caller without credentials: owner of the default tenant, and platform admin.
  static TenantContext anonymous();
  // Somebody who may nothing: for what is open to all.
  static TenantContext nobody();
  // The node's own work: loading, retention, statistics of one tenant.
  static TenantContext node(TenantId tenant) { return TenantContext(tenant, nullptr); }
};

}  // namespace headrace::core

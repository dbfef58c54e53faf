#include "broker/core/access.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "broker/core/catalog.h"
#include "broker/limits.h"
#include "metrics/utf8.h"

namespace headrace::core {
namespace {

// What "may not" is followed by.
std::string_view words_of(Permission permission) {
  switch (permission) {
    case Permission::open:
    case Permission::known:
      return "be here";
    case Permission::metrics:
      return "see metrics with names";
    case Permission::publish:
      return "publish";
    case Permission::consume:
      return "consume events";
    case Permission::describe:
      return "see settings and counts";
    case Permission::manage:
      return "manage topics, groups and dead letters";
    case Permission::audit:
      return "read the audit trail";
    case Permission::administer:
      return "manage principals and keys";
    case Permission::own:
      return "manage owners";
    case Permission::platform:
      return "manage tenants, which platform admins do";
  }
  return "do this";
}

Error lacks(std::string_view actor, Permission permission, std::string_view where) {
  std::string detail = "'" + std::string(actor) + "' may not ";
  detail += words_of(permission);
  detail += where;
  return Error(ErrorCode::forbidden, detail);
}

Caller anonymous_caller() {
  Caller caller;
  caller.actor = "anonymous";
  caller.grants = {{Role::owner, ""}};
  caller.rights = Rights(caller.grants);
  caller.platform = true;
  return caller;
}

// The same answer, after the same work, for a key that is not there and one that is wrong.
PrincipalPtr holder_of(const CatalogSnapshot& catalog, std::string_view text, const ApiKey** key) {
  const auto id = key_id(text);
  if (!id) return nullptr;
  const PrincipalPtr holder = catalog.key_holder(*id);
  static const ApiKey kNone;
  *key = &kNone;
  if (holder != nullptr) *key = &*std::ranges::find(holder->keys, *id, &ApiKey::id);
  const Sha256 hash = sha256({text});
  const bool equal = CRYPTO_memcmp(hash.data(), (*key)->hash.data(), hash.size()) == 0;
  return equal ? holder : nullptr;
}

Error authenticate(const CatalogSnapshot& catalog, const Credentials& credentials, int64_t wall_us,
                   Caller* caller) {
  if (credentials.authenticated != nullptr) {
    const Principal& then = *credentials.authenticated;
    caller->principal = catalog.principal(then.tenant, then.name);
    if (caller->principal == nullptr || caller->principal->id != then.id ||
        caller->principal->password != then.password) {
      return Error(ErrorCode::unauthenticated, "the password was changed meanwhile");
    }
    caller->by_password = true;
  } else if (!credentials.api_key.empty()) {
    const ApiKey* key = nullptr;
    caller->principal = holder_of(catalog, credentials.api_key, &key);
    if (caller->principal == nullptr) {
      return Error(ErrorCode::unauthenticated, "the API key is not known");
    }
    if (key->expires_us != 0 && key->expires_us <= wall_us) {
      return Error(ErrorCode::unauthenticated, "API key " + key->id + " has expired");
    }
    caller->key = key->id;
    caller->expires_us = key->expires_us;
  } else {
    caller->principal = catalog.subject_holder(credentials.subject);
  }
  const Principal& principal = *caller->principal;
  if (principal.disabled) {
    return Error(ErrorCode::unauthenticated, "principal '" + principal.name + "' is disabled");
  }
  caller->actor = principal.name;
  caller->grants = principal.grants;
  caller->platform = principal.platform;
  return {};
}

// A platform admin in another tenant is its owner, and says why.
Error cross(const CatalogSnapshot& catalog, const Credentials& credentials, Caller* caller,
            TenantPtr* tenant) {
  if (!caller->platform) {
    return Error(ErrorCode::forbidden, "only platform admins act as another tenant");
  }
  if (credentials.reason.empty()) {
    return Error(ErrorCode::invalid_request, "reason: acting as another tenant needs one");
  }
  *tenant = catalog.tenant(credentials.as_tenant);
  if (*tenant == nullptr) {
    return Error(ErrorCode::unknown_tenant, "'" + credentials.as_tenant + "'");
  }
  const TenantPtr home =
      catalog.tenant(caller->principal ? caller->principal->tenant : kDefaultTenant);
  caller->actor = (home ? home->name : "?") + "/" + caller->actor;
  caller->reason = credentials.reason;
  caller->grants = {{Role::owner, ""}};
  caller->platform = false;  // an owner there, no more
  return {};
}

}  // namespace

bool TenantContext::may(Permission permission) const {
  if (caller_ == nullptr) return true;
  if (permission == Permission::platform) return caller_->platform;
  // These are of no topic: a grant for a prefix does not give them.
  const bool of_tenant = permission >= Permission::audit || permission == Permission::metrics;
  if (of_tenant) return caller_->rights.everywhere(permission);
  return caller_->rights.somewhere(permission);
}

// `$sys` tells what the audit trail tells.
bool TenantContext::may(Permission permission, std::string_view topic) const {
  if (permission == Permission::consume && topic == kSystemTopic) permission = Permission::audit;
  return caller_ == nullptr || caller_->rights.may(permission, topic);
}

Error TenantContext::require_type(std::string_view topic, std::string_view type) const {
  if (caller_ == nullptr || caller_->rights.may_publish(topic, type)) return {};
  std::string what = " on topic '" + std::string(topic);
  what += type.empty() ? "' without a type"
                       : "' events of type '" + clean_utf8(type, limits::kNameMax) + "'";
  return lacks(actor(), Permission::publish, what);
}

Error TenantContext::require(Permission permission) const {
  if (caller_ == nullptr || caller_->rights.everywhere(permission)) return {};
  if (permission == Permission::platform && caller_->platform) return {};
  return lacks(actor(), permission, may(permission) ? " on all topics" : "");
}

Error TenantContext::require(Permission permission, std::string_view topic) const {
  if (may(permission, topic)) return {};
  return lacks(actor(), permission, " on topic '" + std::string(topic) + "'");
}

Claim Access::claim(const CatalogSnapshot& catalog, std::string_view tenant,
                    std::string_view user) {
  const TenantPtr home = catalog.tenant(tenant.empty() ? "default" : tenant);
  Claim claim;
  if (home != nullptr) claim.holder = catalog.principal(home->id, user);
  // Made up in any case, so that it takes the same time.
  const TenantPtr node = catalog.tenant(kDefaultTenant);
  const std::string of = std::string(tenant) + '\0' + std::string(user);
  unsigned char made[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const std::string& secret = node->login_secret;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(of.data()), of.size(), made, &size);
  claim.secrets.salt.assign(reinterpret_cast<const char*>(made), limits::kSaltBytes);
  claim.secrets.iterations = limits::kPasswordIterations;
  if (claim.holder != nullptr && !claim.holder->password) claim.holder = nullptr;
  if (claim.holder != nullptr) claim.secrets = claim.holder->password->secrets;
  return claim;
}

TenantContext Access::anonymous() {
  static const auto caller = std::make_shared<const Caller>(anonymous_caller());
  return TenantContext(kDefaultTenant, caller);
}

TenantContext Access::nobody() {
  static const auto caller = std::make_shared<const Caller>(Caller{.actor = "nobody"});
  return TenantContext(kNodeTenant, caller);
}

// Automatic: until an owner of the default tenant can come in otherwise.
bool Access::anonymous_allowed(const CatalogSnapshot& catalog, const AnonymousRule& rule) {
  if (rule.mode != AnonymousRule::Mode::automatic) {
    return rule.mode == AnonymousRule::Mode::always;
  }
  return rule.loopback && !catalog.has_platform_owner();
}

Error Access::enter(const CatalogSnapshot& catalog, const AnonymousRule& rule,
                    const Credentials& credentials, int64_t wall_us, TenantContext* context) {
  Caller caller;
  const bool certified =
      !credentials.subject.empty() && catalog.subject_holder(credentials.subject) != nullptr;
  if (!credentials.api_key.empty() || certified || credentials.authenticated != nullptr) {
    if (Error error = authenticate(catalog, credentials, wall_us, &caller)) return error;
  } else if (anonymous_allowed(catalog, rule)) {
    caller = anonymous_caller();
  } else {
    return Error(ErrorCode::unauthenticated,
                 credentials.subject.empty()
                     ? "an API key is needed"
                     : "no principal has the subject '" + credentials.subject +
                           "' of the client certificate; an API key is needed");
  }
  const TenantId home = caller.principal ? caller.principal->tenant : kDefaultTenant;
  TenantPtr tenant = catalog.tenant(home);
  if (!credentials.as_tenant.empty()) {
    if (Error error = cross(catalog, credentials, &caller, &tenant)) return error;
  } else {
    // One that is another's and one that does not exist look alike.
    if (tenant == nullptr) return Error(ErrorCode::unknown_tenant);
    if (!credentials.tenant.empty() && credentials.tenant != tenant->name) {
      return Error(ErrorCode::unknown_tenant,
                   "'" + credentials.tenant + "', or it is not the one of these credentials");
    }
    if (tenant->state == Tenant::State::suspended) {
      return Error(ErrorCode::tenant_suspended, "'" + tenant->name + "'");
    }
  }
  if (tenant->state == Tenant::State::deleting) return Error(ErrorCode::unknown_tenant);
  caller.rights = Rights(caller.grants);
  *context = TenantContext(tenant->id, std::make_shared<const Caller>(std::move(caller)));
  return {};
}

Error Access::recheck(const TenantContext& context, const CatalogSnapshot& catalog,
                      const AnonymousRule& rule, int64_t wall_us) {
  const Caller& caller = *context.caller_;
  const TenantPtr tenant = catalog.tenant(context.tenant_);
  if (tenant == nullptr || tenant->state == Tenant::State::deleting) {
    return Error(ErrorCode::unknown_tenant);
  }
  if (tenant->state == Tenant::State::suspended && caller.reason.empty()) {
    return Error(ErrorCode::tenant_suspended, "'" + tenant->name + "'");
  }
  if (caller.principal == nullptr) {
    if (anonymous_allowed(catalog, rule)) return {};
    return Error(ErrorCode::access_changed, "callers without credentials are no longer let in");
  }
  if (caller.expires_us != 0 && caller.expires_us <= wall_us) {
    return Error(ErrorCode::access_changed, "API key " + caller.key + " has expired");
  }
  const PrincipalPtr now = catalog.principal(caller.principal->tenant, caller.principal->name);
  if (now == caller.principal) return {};
  // What else changed of it does not matter: not of whom this is.
  const auto same_key = [&] {
    if (caller.by_password) return now->password == caller.principal->password;
    if (caller.key.empty()) return now->subjects == caller.principal->subjects;
    const auto at = std::ranges::find(now->keys, caller.key, &ApiKey::id);
    return at != now->keys.end() && at->expires_us == caller.expires_us;
  };
  if (now != nullptr && now->id == caller.principal->id && !now->disabled &&
      now->grants == caller.principal->grants && now->platform == caller.principal->platform &&
      same_key()) {
    return {};
  }
  return Error(ErrorCode::access_changed, "of principal '" + caller.principal->name + "'");
}

}  // namespace headrace::core

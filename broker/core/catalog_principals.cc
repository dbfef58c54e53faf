// Principals and their API keys. Nobody gives, changes or takes away what they do not have
// themselves: an admin makes no owner, and no key for one.
#include <algorithm>
#include <charconv>

#include "broker/core/api_access.h"
#include "broker/core/audit.h"
#include "broker/core/catalog_rows.h"
#include "broker/core/catalog_store.h"
#include "broker/limits.h"
#include "metrics/big_endian.h"
#include "metrics/quantity.h"

namespace headrace::core {
namespace {

// Who is named so in audit entries without being a principal.
constexpr std::string_view kActors[] = {"anonymous", "broker", "nobody"};

std::string text_of_grants(const Principal& principal) {
  std::string text;
  for (const Grant& grant : principal.grants) {
    if (!text.empty()) text += ", ";
    text += to_string(grant);
  }
  if (principal.platform) text += text.empty() ? "platform" : ", platform";
  return text;
}

std::string text_of_subjects(const Principal& principal) {
  std::string text;
  for (const std::string& subject : principal.subjects) {
    if (!text.empty()) text += "; ";
    text += subject;
  }
  return text;
}

// Row of when a credential was used last: keys' ids have 48 bits, so a password's is none of them.
uint64_t number_of_password(const Principal& principal) {
  return uint64_t{1} << 63 | principal.id.value();
}

uint64_t number_of(std::string_view key_id) {
  uint64_t number = 0;
  std::from_chars(key_id.data(), key_id.data() + key_id.size(), number, 16);
  return number;
}

Error check_principal(const Principal& principal) {
  for (const Grant& grant : principal.grants) {
    if (grant.types.empty() || grant.role == Role::producer) continue;
    return Error(ErrorCode::invalid_request,
                 "types: only producers are held to some, not " + to_string(grant));
  }
  if (principal.grants.size() > limits::kGrantsPerPrincipal) {
    return Error(ErrorCode::limit_reached,
                 std::to_string(limits::kGrantsPerPrincipal) + " roles per principal");
  }
  if (principal.platform && principal.tenant != kDefaultTenant) {
    return Error(ErrorCode::invalid_request, "platform: only principals of tenant 'default'");
  }
  return {};
}

}  // namespace

Error CatalogStore::check_covers(const TenantContext& who, const Principal& principal) {
  const Caller* caller = who.caller();
  if (caller == nullptr) return {};
  if (principal.platform && !caller->platform) {
    return Error(ErrorCode::forbidden, "only platform admins deal with platform admins");
  }
  for (const Grant& grant : principal.grants) {
    if (caller->rights.covers(grant)) continue;
    return Error(ErrorCode::forbidden, "'" + std::string(who.actor()) +
                                           "' does not have the role " + to_string(grant) +
                                           " and cannot deal with who has it");
  }
  return {};
}

void CatalogStore::put_principal(const PrincipalPtr& principal) {
  auto& catalog = stage();
  ctx_->writes(this).put(
      storage::state_place(principal->tenant),
      storage::catalog_key(principal->tenant, kPrincipalEntity, principal->id.value()),
      encode(*principal));
  catalog.put(principal);
}

void CatalogStore::remove_principal(const Principal& principal) {
  auto& catalog = stage();
  auto& writes = ctx_->writes(this);
  const auto place = storage::state_place(principal.tenant);
  writes.remove(place,
                storage::catalog_key(principal.tenant, kPrincipalEntity, principal.id.value()));
  for (const ApiKey& key : principal.keys) {
    writes.remove(place, storage::key_use_key(principal.tenant, number_of(key.id)));
  }
  if (principal.password) {
    writes.remove(place, storage::key_use_key(principal.tenant, number_of_password(principal)));
  }
  catalog.erase(principal);
}

// A certificate is one principal's.
Error CatalogStore::check_subjects(const std::vector<std::string>& subjects,
                                   const Principal* of) const {
  if (subjects.size() > limits::kSubjectsPerPrincipal) {
    return Error(ErrorCode::limit_reached,
                 std::to_string(limits::kSubjectsPerPrincipal) + " subjects per principal");
  }
  for (const std::string& subject : subjects) {
    if (subject.empty() || subject.size() > limits::kErrorTextMax) {
      return Error(ErrorCode::invalid_request, "subject: 1 to " +
                                                   std::to_string(limits::kErrorTextMax) +
                                                   " characters, as RFC 2253 writes it");
    }
    const PrincipalPtr holder = newest_->subject_holder(subject);
    if (holder != nullptr && (of == nullptr || holder->id != of->id)) {
      // Whose it is may be another tenant's business.
      return Error(ErrorCode::invalid_request, "subject: '" + subject + "' is in use");
    }
  }
  return {};
}

void CatalogStore::create_principal(std::unique_ptr<CreatePrincipal> request) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = check_name("principal", request->name)) return refuse(std::move(error));
  if (std::ranges::find(kActors, request->name) != std::end(kActors)) {
    return refuse(Error(ErrorCode::bad_name, "principal '" + request->name +
                                                 "': the audit trail means somebody else by it"));
  }
  const TenantPtr of = newest_->tenant(tenant);
  if (of == nullptr || of->state == Tenant::State::deleting) {
    return refuse(Error(ErrorCode::unknown_tenant));
  }
  auto principal = std::make_shared<Principal>();
  principal->tenant = tenant;
  principal->name = request->name;
  principal->grants = request->grants;
  principal->platform = request->platform;
  principal->subjects = request->subjects;
  principal->created_us = ctx_->now().wall_us;
  if (Error error = check_principal(*principal)) return refuse(std::move(error));
  if (Error error = check_covers(request->tenant, *principal)) return refuse(std::move(error));
  if (const PrincipalPtr existing = newest_->principal(tenant, request->name)) {
    const bool equal = existing->grants == principal->grants &&
                       existing->platform == principal->platform &&
                       existing->subjects == principal->subjects;
    if (!request->if_missing || !equal) {
      return refuse(
          Error(ErrorCode::principal_exists,
                "'" + request->name +
                    (equal ? "', just as it was asked for: with if_missing that is a success"
                           : "', with other roles or subjects")));
    }
    request->made = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  if (Error error = check_subjects(request->subjects, nullptr)) return refuse(std::move(error));
  if (count_of(newest_->principals, tenant) >= limits::kPrincipalsPerTenant) {
    return refuse(Error(ErrorCode::limit_reached,
                        std::to_string(limits::kPrincipalsPerTenant) + " principals per tenant"));
  }
  principal->id = PrincipalId(static_cast<uint32_t>(take_ids(kPrincipalEntity, 1)));
  put_principal(principal);
  ctx_->audit().note(request->tenant, {AuditAction::principal_created,
                                       "principal " + principal->name,
                                       "",
                                       {{"roles", "", text_of_grants(*principal)}}});
  request->made = principal;
  request->created = true;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::update_principal(std::unique_ptr<UpdatePrincipal> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const PrincipalPtr existing = newest_->principal(request->tenant.tenant(), request->name);
  if (existing == nullptr) {
    return refuse(Error(ErrorCode::unknown_principal, "'" + request->name + "'"));
  }
  if (Error error = check_covers(request->tenant, *existing)) return refuse(std::move(error));
  if (request->if_version != 0 && request->if_version != existing->version) {
    return refuse(Error(ErrorCode::version_conflict,
                        request->name + " is at version " + std::to_string(existing->version)));
  }
  auto changed = std::make_shared<Principal>(*existing);
  if (request->grants) changed->grants = *request->grants;
  if (request->subjects) changed->subjects = *request->subjects;
  if (request->platform) changed->platform = *request->platform;
  if (request->disabled) changed->disabled = *request->disabled;
  if (Error error = check_principal(*changed)) return refuse(std::move(error));
  if (Error error = check_covers(request->tenant, *changed)) return refuse(std::move(error));
  if (Error error = check_subjects(changed->subjects, existing.get())) {
    return refuse(std::move(error));
  }
  ++changed->version;
  std::vector<AuditChange> changes;
  const auto change = [&](const char* field, std::string before, std::string after) {
    if (before != after) changes.push_back({field, std::move(before), std::move(after)});
  };
  change("roles", text_of_grants(*existing), text_of_grants(*changed));
  change("subjects", text_of_subjects(*existing), text_of_subjects(*changed));
  change("disabled", existing->disabled ? "true" : "false", changed->disabled ? "true" : "false");
  put_principal(changed);
  ctx_->audit().note(request->tenant, {AuditAction::principal_updated, "principal " + changed->name,
                                       "", std::move(changes)});
  request->changed = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::delete_principal(std::unique_ptr<DeletePrincipal> request) {
  const PrincipalPtr existing = newest_->principal(request->tenant.tenant(), request->name);
  if (existing == nullptr) {
    request->error = Error(ErrorCode::unknown_principal, "'" + request->name + "'");
    return ctx_->reply(std::move(request));
  }
  if (Error error = check_covers(request->tenant, *existing)) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  remove_principal(*existing);
  ctx_->audit().note(request->tenant, {AuditAction::principal_deleted,
                                       "principal " + existing->name,
                                       "",
                                       {{"keys", std::to_string(existing->keys.size()), "0"}}});
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// ---- keys

void CatalogStore::create_key(std::unique_ptr<CreateKey> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const PrincipalPtr existing = newest_->principal(request->tenant.tenant(), request->principal);
  if (existing == nullptr) {
    return refuse(Error(ErrorCode::unknown_principal, "'" + request->principal + "'"));
  }
  if (Error error = check_covers(request->tenant, *existing)) return refuse(std::move(error));
  ApiKey& key = request->key;
  HR_CHECK(is_key_id(key.id));
  if (newest_->key_holder(key.id) != nullptr) {  // 1 in 2^48 for each that exists
    return refuse(Error(ErrorCode::busy, "the key's id is taken"));
  }
  key.created_us = ctx_->now().wall_us;
  key.expires_us = request->expires_after_us == 0 ? 0 : key.created_us + request->expires_after_us;
  auto changed = std::make_shared<Principal>(*existing);
  // What has expired makes room.
  std::erase_if(changed->keys, [&](const ApiKey& old) {
    return old.expires_us != 0 && old.expires_us <= key.created_us;
  });
  if (changed->keys.size() >= limits::kKeysPerPrincipal) {
    return refuse(Error(ErrorCode::limit_reached, std::to_string(limits::kKeysPerPrincipal) +
                                                      " keys per principal: revoke one first"));
  }
  const bool had_owner = newest_->has_platform_owner();
  changed->keys.push_back(key);
  ++changed->version;
  put_principal(changed);
  request->anonymous_ends = !had_owner && newest_->has_platform_owner();
  ctx_->audit().note(request->tenant, {AuditAction::key_created,
                                       "principal " + changed->name,
                                       "",
                                       {{"key", "", key.id}, {"note", "", key.note}}});
  request->holder = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::revoke_key(std::unique_ptr<RevokeKey> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const PrincipalPtr existing = newest_->key_holder(request->id);
  // Another tenant's and none at all look alike.
  if (existing == nullptr || existing->tenant != request->tenant.tenant()) {
    return refuse(Error(ErrorCode::unknown_key, "'" + request->id + "'"));
  }
  if (Error error = check_covers(request->tenant, *existing)) return refuse(std::move(error));
  auto changed = std::make_shared<Principal>(*existing);
  const auto at = std::ranges::find(changed->keys, request->id, &ApiKey::id);
  if (request->after_us > 0) {
    const int64_t until = ctx_->now().wall_us + request->after_us;
    if (at->expires_us == 0 || at->expires_us > until) at->expires_us = until;
    request->expires_us = at->expires_us;
  } else {
    changed->keys.erase(at);
    request->expires_us = ctx_->now().wall_us;
    ctx_->writes(this).remove(storage::state_place(changed->tenant),
                              storage::key_use_key(changed->tenant, number_of(request->id)));
  }
  ++changed->version;
  put_principal(changed);
  ctx_->audit().note(request->tenant, {AuditAction::key_revoked,
                                       "principal " + changed->name,
                                       "",
                                       {{"key", request->id, ""},
                                        {"until", "", format_time_us(request->expires_us)}}});
  request->principal = changed->name;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::list_keys(std::unique_ptr<ListKeys> request) {
  // Owns itself until the rows are there; needs nothing of this.
  struct Uses final : storage::Scan {
    void run() override {
      std::unique_ptr<Uses> self(this);
      if (status != storage::Status::ok) request->error = Error(from_store(status), "keys");
      for (const Row& row : rows) {
        const auto found = std::ranges::find_if(request->rows, [&](const ListKeys::Row& one) {
          const uint64_t number =
              one.key.id == kPasswordId ? number_of_password(*one.holder) : number_of(one.key.id);
          return storage::key_use_key(place.tenant, number) == row.key;
        });
        if (found == request->rows.end() || row.value.size() != sizeof(int64_t)) continue;
        found->last_used_us = load_be<int64_t>(row.value.data());
      }
      ctx->reply(std::move(request));
    }
    std::unique_ptr<ListKeys> request;
    Ctx* ctx = nullptr;
  };
  const TenantId tenant = request->tenant.tenant();
  for (auto at = newest_->principals.lower_bound({tenant, request->principal});
       at != newest_->principals.end() && at->first.first == tenant; ++at) {
    if (!request->principal.empty() && at->first.second != request->principal) break;
    for (const ApiKey& key : at->second->keys) request->rows.push_back({at->second, key, 0});
    if (!at->second->password) continue;
    ApiKey password;  // is no key, but is listed with them
    password.id = kPasswordId;
    password.created_us = at->second->password->set_us;
    request->rows.push_back({at->second, std::move(password), 0});
  }
  auto* uses = new Uses;
  uses->place = storage::state_place(tenant);
  uses->from = storage::state_prefix(tenant, storage::StateKind::key_use);
  uses->to = uses->from.after_prefix();
  uses->max_rows = limits::kPrincipalsPerTenant * (limits::kKeysPerPrincipal + 1);
  uses->sink = ctx_->sink();
  uses->ctx = ctx_;
  uses->request = std::move(request);
  ctx_->store().scan(uses);
}

// Not synced for its own sake: it is lost with a crash of the next second.
void CatalogStore::note_key_use(RequestPtr request) {
  const auto& use = as<NoteKeyUse>(*request);
  const bool by_password = use.id == kPasswordId;
  const Caller* caller = use.tenant.caller();
  const PrincipalPtr holder = !by_password        ? newest_->key_holder(use.id)
                              : caller == nullptr ? nullptr
                                                  : caller->principal;
  if (holder != nullptr) {
    const uint64_t number = by_password ? number_of_password(*holder) : number_of(use.id);
    std::string row(sizeof(int64_t), '\0');
    store_be(reinterpret_cast<std::byte*>(row.data()), ctx_->now().wall_us);
    ctx_->writes(nullptr).put(storage::state_place(holder->tenant),
                              storage::key_use_key(holder->tenant, number), std::move(row));
  }
  ctx_->reply(std::move(request));
}

void CatalogStore::note_action(RequestPtr request) {
  const TenantPtr tenant = newest_->tenant(request->tenant.tenant());
  if (tenant == nullptr) {
    request->error = Error(ErrorCode::unknown_tenant);
    return ctx_->reply(std::move(request));
  }
  auto& note = as<NoteAction>(*request);
  ctx_->audit().note(request->tenant, {note.action, std::move(note.object), std::move(note.why),
                                       std::move(note.changes)});
  ctx_->reply_committed(std::move(request), Durability::durable);
}

}  // namespace headrace::core

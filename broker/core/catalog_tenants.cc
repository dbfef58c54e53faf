// Tenants: made, suspended, deleted. Deleting marks the tenant and its topics, lets their owners
// remove the data, then removes principals and the tenant's own row; it is resumed after a restart.
// The audit trail of the tenant stays: its number is never given out again.
#include <algorithm>

#include "broker/core/api_access.h"
#include "broker/core/audit.h"
#include "broker/core/catalog_deletes.h"
#include "broker/core/catalog_rows.h"
#include "broker/core/catalog_store.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

std::vector<AuditChange> quota_changes(const Quotas& before, const Quotas& after) {
  std::vector<AuditChange> changes;
  const auto add = [&](std::string_view name, int64_t from, int64_t to) {
    if (from == to) return;
    changes.push_back({std::string(name), std::to_string(from), std::to_string(to)});
  };
  for (size_t i = 0; i < kQuotas; ++i) {
    add(info(static_cast<Quota>(i)).name, before.limits[i], after.limits[i]);
  }
  add("weight", before.weight, after.weight);
  return changes;
}

}  // namespace

void CatalogStore::put_tenant(const TenantPtr& tenant) {
  auto& catalog = stage();
  ctx_->writes(this).put(storage::state_place(kNodeTenant),
                         storage::catalog_key(kNodeTenant, kTenantEntity, tenant->id.value()),
                         encode(*tenant));
  catalog.put(tenant);
}

void CatalogStore::create_tenant(std::unique_ptr<CreateTenant> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = request->tenant.require(Permission::platform)) return refuse(std::move(error));
  if (Error error = check_name("tenant", request->name)) return refuse(std::move(error));
  if (const TenantPtr existing = newest_->tenant(request->name)) {
    if (!request->if_missing || existing->state == Tenant::State::deleting) {
      return refuse(Error(ErrorCode::tenant_exists, "'" + request->name + "'"));
    }
    request->made = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  if (newest_->tenants.size() >= limits::kTenants) {
    return refuse(Error(ErrorCode::limit_reached, std::to_string(limits::kTenants) + " tenants"));
  }
  auto tenant = std::make_shared<Tenant>();
  tenant->id = TenantId(static_cast<uint32_t>(take_ids(kTenantIds, 1)));
  tenant->name = request->name;
  tenant->created_us = ctx_->now().wall_us;
  tenant->use = std::make_shared<TenantUse>();
  put_tenant(tenant);
  ctx_->audit().note(request->tenant,
                     {AuditAction::tenant_created, "tenant " + tenant->name, "", {}});
  request->made = tenant;
  request->created = true;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::set_tenant_state(std::unique_ptr<SetTenantState> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = request->tenant.require(Permission::platform)) return refuse(std::move(error));
  const TenantPtr existing = newest_->tenant(request->name);
  if (existing == nullptr || existing->state == Tenant::State::deleting) {
    return refuse(Error(ErrorCode::unknown_tenant, "'" + request->name + "'"));
  }
  if (existing->id == kDefaultTenant) {
    return refuse(Error(ErrorCode::invalid_request,
                        "tenant: 'default' is the platform admins' own and always active"));
  }
  if (existing->state == request->state) {
    request->changed = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  auto changed = std::make_shared<Tenant>(*existing);
  changed->state = request->state;
  put_tenant(changed);
  const bool suspended = changed->state == Tenant::State::suspended;
  ctx_->audit().note(request->tenant,
                     {suspended ? AuditAction::tenant_suspended : AuditAction::tenant_resumed,
                      "tenant " + changed->name,
                      request->why,
                      {}});
  request->changed = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// ---- quotas

void CatalogStore::set_quotas(std::unique_ptr<SetQuotas> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = request->tenant.require(Permission::platform)) return refuse(std::move(error));
  const TenantPtr existing = newest_->tenant(request->name);
  if (existing == nullptr || existing->state == Tenant::State::deleting) {
    return refuse(Error(ErrorCode::unknown_tenant, "'" + request->name + "'"));
  }
  const Quotas quotas = request->changes.applied_to(existing->quotas);
  if (Error error = check_quotas(quotas)) return refuse(std::move(error));
  if (quotas == existing->quotas) {
    request->changed = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  auto changed = std::make_shared<Tenant>(*existing);
  changed->quotas = quotas;
  put_tenant(changed);
  quota_changes_.push_back({ctx_->sequence(), existing->quotas, changed});
  ctx_->audit().note(request->tenant, {AuditAction::tenant_quotas, "tenant " + changed->name,
                                       request->why, quota_changes(existing->quotas, quotas)});
  request->changed = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// Whether the tenant may have one more of what it has `count` of.
Error CatalogStore::check_count(TenantId tenant, Quota quota, size_t count) const {
  const TenantPtr of = newest_->tenant(tenant);
  if (of == nullptr) return {};
  const int64_t limit = of->quotas.of(quota);
  if (limit == 0 || static_cast<int64_t>(count) < limit) return {};
  return quota_reached(quota, of->quotas, of->use.get());
}

// ---- deleting

void CatalogStore::delete_tenant(std::unique_ptr<DeleteTenant> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = request->tenant.require(Permission::platform)) return refuse(std::move(error));
  const TenantPtr existing = newest_->tenant(request->name);
  if (existing == nullptr)
    return refuse(Error(ErrorCode::unknown_tenant, "'" + request->name + "'"));
  if (existing->id == kDefaultTenant) {
    return refuse(Error(ErrorCode::invalid_request, "tenant: 'default' cannot be deleted"));
  }
  const TenantId id = existing->id;
  request->id = id;
  if (existing->state != Tenant::State::deleting) {
    auto marked = std::make_shared<Tenant>(*existing);
    marked->state = Tenant::State::deleting;
    put_tenant(marked);
    ctx_->writes(this).strengthen(Durability::durable);
    ctx_->audit().note(request->tenant,
                       {AuditAction::tenant_deleting, "tenant " + marked->name, request->why, {}});
    receipts_[id] = {static_cast<uint32_t>(count_of(newest_->topics, id)),
                     static_cast<uint32_t>(count_of(newest_->groups, id)), 0, 0};
    delete_topics_of(id);
  }
  deleting_.push_back(std::move(request));
  finish_tenant(id);
}

void CatalogStore::delete_topics_of(TenantId tenant) {
  std::vector<TopicPtr> topics;
  for (auto at = newest_->topics.lower_bound({tenant, ""});
       at != newest_->topics.end() && at->first.first == tenant; ++at) {
    if (at->second->state == Topic::State::active) topics.push_back(at->second);
  }
  for (const TopicPtr& topic : topics) {
    auto marked = std::make_shared<Topic>(*topic);
    marked->state = Topic::State::deleting;
    put_topic(marked);
    purge(marked);
  }
}

void CatalogStore::finish_tenant(TenantId id) {
  const TenantPtr tenant = newest_->tenant(id);
  if (tenant == nullptr || tenant->state != Tenant::State::deleting) return;
  if (count_of(newest_->topics, id) > 0) return;
  std::vector<PrincipalPtr> principals;
  for (auto at = newest_->principals.lower_bound({id, ""});
       at != newest_->principals.end() && at->first.first == id; ++at) {
    principals.push_back(at->second);
  }
  for (const PrincipalPtr& principal : principals) remove_principal(*principal);
  remove_schemas_of(id);
  auto& catalog = stage();
  ctx_->writes(this).remove(storage::state_place(kNodeTenant),
                            storage::catalog_key(kNodeTenant, kTenantEntity, id.value()));
  catalog.erase(*tenant);
  // After a restart the counts are of what was left then.
  const Receipt receipt = receipts_[id];
  receipts_.erase(id);
  const auto asked = [&](const Request& waiting) {
    return waiting.kind == Request::Kind::delete_tenant &&
           static_cast<const DeleteTenant&>(waiting).id == id;
  };
  TenantContext who = Access::node(kDefaultTenant);
  for (auto& waiting : deleting_) {
    if (!asked(*waiting)) continue;
    auto& request = as<DeleteTenant>(*waiting);
    who = request.tenant;
    request.topics = receipt.topics;
    request.groups = receipt.groups;
    request.principals = static_cast<uint32_t>(principals.size());
    request.events = receipt.events;
    request.bytes = receipt.bytes;
  }
  ctx_->audit().note(who, {AuditAction::tenant_deleted,
                           "tenant " + tenant->name,
                           "",
                           {{"topics", std::to_string(receipt.topics), "0"},
                            {"groups", std::to_string(receipt.groups), "0"},
                            {"principals", std::to_string(principals.size()), "0"},
                            {"events", std::to_string(receipt.events), "0"},
                            {"bytes", std::to_string(receipt.bytes), "0"}}});
  finish_deletes({}, asked);
}

}  // namespace headrace::core

#include "broker/core/catalog_store.h"

#include "broker/core/api_access.h"
#include "broker/core/api_acked.h"
#include "broker/core/cast.h"
#include "broker/core/catalog_rows.h"
#include "broker/limits.h"
#include "metrics/big_endian.h"
#include "metrics/log.h"
#include "records.pb.h"

namespace headrace::core {

// ---- loading: id blocks, tenants, then each tenant's topics and groups

struct CatalogStore::LoadIds final : storage::Read {
  void run() override {
    std::unique_ptr<LoadIds> self(this);
    auto alive = owner.lock();
    if (alive == nullptr) return;
    if (status != storage::Status::ok) return alive->fail(status);
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].found && items[i].value.size() != sizeof(int64_t)) {
        return alive->fail(storage::Status::corrupt);
      }
      const int64_t first = kIdKinds[i] == kTenantIds ? kDefaultTenant.value() + 1 : 1;
      alive->ids_[kIdKinds[i]] = items[i].found ? load_be<int64_t>(items[i].value.data()) : first;
    }
    alive->load_tenants();
  }
  std::weak_ptr<CatalogStore> owner;
};

struct CatalogStore::LoadTenants final : storage::Scan {
  void run() override {
    std::unique_ptr<LoadTenants> self(this);
    auto alive = owner.lock();
    if (alive == nullptr) return;
    if (status != storage::Status::ok) return alive->fail(status);
    alive->tenants_loaded(rows);
  }
  std::weak_ptr<CatalogStore> owner;
};

struct CatalogStore::LoadEntities final : storage::Scan {
  void run() override {
    std::unique_ptr<LoadEntities> self(this);
    auto alive = owner.lock();
    if (alive == nullptr) return;
    if (status != storage::Status::ok) return alive->fail(status);
    alive->entities_loaded(place.tenant, rows);
    if (!more) return alive->load_next_tenant();
    self.release();  // the same scan goes on behind the last row
    from = storage::Key(std::string(rows.back().key.view()) + '\0');
    rows.clear();
    alive->ctx_->store().scan(this);
  }
  std::weak_ptr<CatalogStore> owner;
};

void CatalogStore::load() {
  auto* read = new LoadIds;
  read->owner = weak_from_this();
  read->sink = ctx_->sink();
  for (uint8_t kind : kIdKinds) {
    read->items.push_back(
        {storage::state_place(kNodeTenant), storage::id_block_key(kind), {}, false});
  }
  ctx_->store().read(read);
}

void CatalogStore::load_tenants() {
  auto* scan = new LoadTenants;
  scan->owner = weak_from_this();
  scan->place = storage::state_place(kNodeTenant);
  scan->from = storage::state_prefix(kNodeTenant, storage::StateKind::catalog);
  scan->to = scan->from.after_prefix();
  scan->max_rows = 100'000;
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

void CatalogStore::tenants_loaded(const std::vector<storage::Scan::Row>& rows) {
  if (rows.empty()) return bootstrap();
  for (const auto& row : rows) {
    const auto key = parse_entity(row.key.view());
    if (!key || key->entity != kTenantEntity) return fail(storage::Status::corrupt);
    auto tenant = decode_tenant(TenantId(key->id), row.value.view());
    if (!tenant) return fail(storage::Status::corrupt);
    // Loaded again after a failed commit: what is used goes on being counted where it was, by
    // quotas that may have been written all the same.
    if (const TenantPtr known = ctx_->catalog()->tenant(tenant->id)) {
      tenant->use = known->use;
      adopt_quotas(known->quotas, tenant->quotas, tenant->use.get(), ctx_->now().mono_us);
    }
    newest_->put(std::make_shared<const Tenant>(std::move(*tenant)));
    to_load_.push_back(TenantId(key->id));
  }
  load_next_tenant();
}

void CatalogStore::load_next_tenant() {
  if (to_load_.empty()) {
    if (!schemas_loaded()) return fail(storage::Status::corrupt);
    return become_ready();
  }
  auto* scan = new LoadEntities;
  scan->owner = weak_from_this();
  scan->place = storage::state_place(to_load_.front());
  to_load_.pop_front();
  scan->from = storage::state_prefix(scan->place.tenant, storage::StateKind::catalog);
  scan->to = scan->from.after_prefix();
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

void CatalogStore::entities_loaded(TenantId tenant, const std::vector<storage::Scan::Row>& rows) {
  for (const auto& row : rows) {
    const auto key = parse_entity(row.key.view());
    if (!key) continue;
    if (key->entity == kTopicEntity) {
      auto topic = decode_topic(tenant, TopicId(key->id), row.value.view());
      if (!topic) return fail(storage::Status::corrupt);
      auto shared = std::make_shared<const Topic>(std::move(*topic));
      newest_->topics[{tenant, shared->name}] = shared;
      newest_->topics_by_id[{tenant, shared->id}] = shared;
    } else if (key->entity == kGroupEntity) {
      auto group = decode_group(tenant, GroupId(key->id), row.value.view());
      if (!group) return fail(storage::Status::corrupt);
      auto shared = std::make_shared<const GroupRecord>(std::move(*group));
      newest_->groups[{tenant, shared->name}] = shared;
    } else if (key->entity == kPrincipalEntity) {
      auto principal = decode_principal(tenant, PrincipalId(key->id), row.value.view());
      if (!principal) return fail(storage::Status::corrupt);
      newest_->put(std::make_shared<const Principal>(std::move(*principal)));
    } else if (key->entity == kSchemaTypeEntity) {
      if (!load_schema_type(tenant, key->id, row.value.view())) {
        return fail(storage::Status::corrupt);
      }
    } else if (key->entity == kSchemaVersionEntity) {
      if (!load_schema_version(key->id, row.value.view())) return fail(storage::Status::corrupt);
    }
  }
}

void CatalogStore::fail(storage::Status status) {
  log::error("the catalog does not load; topics and groups cannot be used",
             {{"status", storage::to_string(status)}});
  state_ = State::failed;
  drop(Error(from_store(status), "loading the catalog"));
}

void CatalogStore::become_ready() {
  state_ = State::ready;
  // After a crash-only reload the reactors may hold a snapshot with a higher version.
  newest_->version = ctx_->catalog()->version + 1;
  ctx_->publish_catalog(std::make_shared<const CatalogSnapshot>(*newest_));
  for (const auto& [name, topic] : newest_->topics) {
    if (topic->state == Topic::State::deleting) purge(topic);
  }
  for (const auto& [name, group] : newest_->groups) {
    if (group->state != GroupRecord::State::deleting) continue;
    if (auto topic = newest_->topic(group->tenant, group->topic)) purge(group, topic);
  }
  for (const auto& [id, tenant] : std::map(newest_->tenants_by_id)) {
    if (tenant->state != Tenant::State::deleting) continue;
    delete_topics_of(id);
    finish_tenant(id);
  }
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& request : waiting) handle(std::move(request));
}

void CatalogStore::bootstrap() {
  auto tenant = std::make_shared<Tenant>();
  tenant->id = kDefaultTenant;
  tenant->name = "default";
  tenant->created_us = ctx_->now().wall_us;
  tenant->dedicated = true;
  tenant->use = std::make_shared<TenantUse>();
  put_tenant(tenant);
  auto topic = std::make_shared<Topic>();
  topic->tenant = kDefaultTenant;
  topic->id = TopicId(static_cast<uint32_t>(take_ids(kTopicEntity, 1)));
  topic->name = "default";
  topic->created_us = ctx_->now().wall_us;
  topic->shard = shard_of(topic->tenant, topic->id, shards_);
  put_topic(topic);
  ctx_->writes(this).strengthen(Durability::durable);
  // Ready once this is durable: on_committed.
}

// ---- changes

void CatalogStore::handle(RequestPtr request) {
  if (state_ == State::loading && waiting_.size() < limits::kRequestsWhileLoading) {
    waiting_.push_back(std::move(request));
    return;
  }
  if (state_ != State::ready) {
    request->error = Error(ErrorCode::loading, "the catalog");
    ctx_->reply(std::move(request));
    return;
  }
  switch (request->kind) {
    case Request::Kind::create_topic:
      return create_topic(cast<CreateTopic>(std::move(request)));
    case Request::Kind::delete_topic:
      return delete_topic(cast<DeleteTopic>(std::move(request)));
    case Request::Kind::ensure_group:
      return ensure_group(cast<EnsureGroup>(std::move(request)));
    case Request::Kind::create_group:
      return create_group(cast<CreateGroup>(std::move(request)));
    case Request::Kind::update_group:
      return update_group(cast<UpdateGroup>(std::move(request)));
    case Request::Kind::delete_group:
      return delete_group(cast<DeleteGroup>(std::move(request)));
    case Request::Kind::init_producer:
      return init_producer(cast<InitProducer>(std::move(request)));
    case Request::Kind::create_tenant:
      return create_tenant(cast<CreateTenant>(std::move(request)));
    case Request::Kind::set_tenant_state:
      return set_tenant_state(cast<SetTenantState>(std::move(request)));
    case Request::Kind::delete_tenant:
      return delete_tenant(cast<DeleteTenant>(std::move(request)));
    case Request::Kind::set_quotas:
      return set_quotas(cast<SetQuotas>(std::move(request)));
    case Request::Kind::create_principal:
      return create_principal(cast<CreatePrincipal>(std::move(request)));
    case Request::Kind::update_principal:
      return update_principal(cast<UpdatePrincipal>(std::move(request)));
    case Request::Kind::delete_principal:
      return delete_principal(cast<DeletePrincipal>(std::move(request)));
    case Request::Kind::set_password:
      return set_password(cast<SetPassword>(std::move(request)));
    case Request::Kind::create_key:
      return create_key(cast<CreateKey>(std::move(request)));
    case Request::Kind::revoke_key:
      return revoke_key(cast<RevokeKey>(std::move(request)));
    case Request::Kind::list_keys:
      return list_keys(cast<ListKeys>(std::move(request)));
    case Request::Kind::note_key_use:
      return note_key_use(std::move(request));
    case Request::Kind::note_action:
      return note_action(std::move(request));
    default:
      return handle_schemas(std::move(request));
  }
}

CatalogSnapshot& CatalogStore::stage() {
  const uint64_t sequence = ctx_->sequence();
  if (staged_.empty() || staged_.back().sequence != sequence) {
    newest_ = std::make_shared<CatalogSnapshot>(*newest_);
    ++newest_->version;
    staged_.push_back({sequence, newest_});
    ctx_->writes(this);
  }
  return *newest_;
}

void CatalogStore::on_committed(Ctx&, uint64_t sequence) {
  while (!staged_.empty() && staged_.front().sequence <= sequence) {
    auto snapshot = std::move(staged_.front().snapshot);
    staged_.pop_front();
    if (state_ == State::loading) {
      become_ready();
    } else {
      // Never changed again: a later set staged a copy.
      ctx_->publish_catalog(std::move(snapshot));
    }
  }
  while (!quota_changes_.empty() && quota_changes_.front().after_sequence <= sequence) {
    const QuotaChange& change = quota_changes_.front();
    adopt_quotas(change.before, change.changed->quotas, change.changed->use.get(),
                 ctx_->now().mono_us);
    quota_changes_.pop_front();
  }
  while (!purges_.empty() && purges_.front().after_sequence <= sequence) {
    auto request = std::move(purges_.front().request);
    purges_.pop_front();
    ctx_->submit(std::move(request));
  }
}

uint64_t CatalogStore::newest_change() const {
  return staged_.empty() ? 0 : staged_.back().sequence;
}

int64_t CatalogStore::take_ids(uint8_t id_kind, int64_t count) {
  int64_t& next = ids_[id_kind];
  const int64_t first = next;
  next += count;
  std::string row(sizeof(next), '\0');
  store_be(reinterpret_cast<std::byte*>(row.data()), next);
  ctx_->writes(this).put(storage::state_place(kNodeTenant), storage::id_block_key(id_kind),
                         std::move(row));
  return first;
}

void CatalogStore::put_topic(const TopicPtr& topic) {
  auto& catalog = stage();
  ctx_->writes(this).put(storage::state_place(topic->tenant),
                         storage::catalog_key(topic->tenant, kTopicEntity, topic->id.value()),
                         encode(*topic));
  catalog.topics[{topic->tenant, topic->name}] = topic;
  catalog.topics_by_id[{topic->tenant, topic->id}] = topic;
}

void CatalogStore::remove_topic(const Topic& topic) {
  auto& catalog = stage();
  auto& writes = ctx_->writes(this);
  writes.remove(storage::state_place(topic.tenant),
                storage::catalog_key(topic.tenant, kTopicEntity, topic.id.value()));
  for (auto at = catalog.groups.begin(); at != catalog.groups.end();) {
    const GroupRecord& group = *at->second;
    if (group.tenant != topic.tenant || group.topic != topic.id) {
      ++at;
      continue;
    }
    writes.remove(storage::state_place(group.tenant),
                  storage::catalog_key(group.tenant, kGroupEntity, group.id.value()));
    at = catalog.groups.erase(at);
  }
  catalog.topics.erase({topic.tenant, topic.name});
  catalog.topics_by_id.erase({topic.tenant, topic.id});
}

void CatalogStore::put_group(const GroupPtr& group) {
  auto& catalog = stage();
  ctx_->writes(this).put(storage::state_place(group->tenant),
                         storage::catalog_key(group->tenant, kGroupEntity, group->id.value()),
                         encode(*group));
  catalog.groups[{group->tenant, group->name}] = group;
}

void CatalogStore::remove_group(const GroupRecord& group) {
  auto& catalog = stage();
  ctx_->writes(this).remove(storage::state_place(group.tenant),
                            storage::catalog_key(group.tenant, kGroupEntity, group.id.value()));
  catalog.groups.erase({group.tenant, group.name});
}

}  // namespace headrace::core

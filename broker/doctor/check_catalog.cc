// The catalog: rows parse, names are unique, what is referred to exists, no id is above its block.
#include "broker/core/catalog_rows.h"
#include "broker/doctor/facts.h"
#include "records.pb.h"

namespace headrace::doctor {
namespace {

class CatalogCheck {
 public:
  CatalogCheck(const storage::ReadOnlyStore& store, Facts* facts) : store_(store), facts_(facts) {}

  Check run();

 private:
  void take(std::string_view key, std::string_view value);
  void take_topic(TenantId tenant, uint32_t id, std::string_view value, const std::string& where);
  void take_group(TenantId tenant, uint32_t id, std::string_view value, const std::string& where);
  void take_principal(TenantId tenant, uint32_t id, std::string_view value,
                      const std::string& where);
  void take_schema_type(TenantId tenant, uint32_t id, std::string_view value,
                        const std::string& where);
  void take_schema_version(uint32_t id, std::string_view value, const std::string& where);
  void check_references();
  void check_id(uint8_t kind, uint32_t id, const std::string& where);
  void find(const std::string& where, const std::string& what) {
    check_.add({where, what, kRestore});
  }

  const storage::ReadOnlyStore& store_;
  Facts* const facts_;
  Check check_{"catalog", {}, {}, 0};
  std::map<uint8_t, int64_t> next_ids_;
  std::map<uint32_t, core::SchemaType> schema_types_;  // their rows come before their versions'
};

Check CatalogCheck::run() {
  each_state_row(store_, storage::StateKind::id_block, &check_,
                 [this](std::string_view key, std::string_view value) {
                   const auto where = storage::to_text(storage::Table::state, key);
                   if (value.size() != sizeof(int64_t)) return find(where, "is not a number");
                   next_ids_[static_cast<uint8_t>(key.back())] =
                       load_be<int64_t>(reinterpret_cast<const std::byte*>(value.data()));
                 });
  each_state_row(store_, storage::StateKind::catalog, &check_,
                 [this](std::string_view key, std::string_view value) { take(key, value); });
  check_references();
  const core::CatalogSnapshot& catalog = facts_->catalog;
  check_.covered = std::to_string(catalog.tenants.size()) + " tenants, " +
                   std::to_string(catalog.topics_by_id.size()) + " topics, " +
                   std::to_string(facts_->groups_by_id.size()) + " groups, " +
                   std::to_string(catalog.principals.size()) + " principals";
  return std::move(check_);
}

void CatalogCheck::take(std::string_view key, std::string_view value) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto entity = core::parse_entity(key);
  const TenantId tenant(load_be<uint32_t>(reinterpret_cast<const std::byte*>(key.data())));
  if (key.size() != storage::catalog_key(tenant, 0, 0).size() || !entity)
    return find(where, "is no key of the catalog");
  if (entity->entity == core::kTopicEntity) return take_topic(tenant, entity->id, value, where);
  if (entity->entity == core::kGroupEntity) return take_group(tenant, entity->id, value, where);
  if (entity->entity == core::kPrincipalEntity)
    return take_principal(tenant, entity->id, value, where);
  if (entity->entity == core::kSchemaTypeEntity)
    return take_schema_type(tenant, entity->id, value, where);
  if (entity->entity == core::kSchemaVersionEntity)
    return take_schema_version(entity->id, value, where);
  auto record = core::decode_tenant(TenantId(entity->id), value);
  if (entity->entity != core::kTenantEntity || !record)
    return find(where, "is no record of the catalog");
  if (facts_->catalog.tenant(record->name) != nullptr)
    return find(where, "a second tenant is called '" + record->name + "'");
  facts_->catalog.put(std::make_shared<const core::Tenant>(std::move(*record)));
}

void CatalogCheck::take_schema_type(TenantId tenant, uint32_t id, std::string_view value,
                                    const std::string& where) {
  auto type = core::decode_schema_type(tenant, id, value);
  if (!type) return find(where, "is no record of a type with schemas");
  check_id(core::kSchemaTypeEntity, id, where);
  for (const auto& [other, known] : schema_types_) {
    if (known.tenant == tenant && known.type == type->type)
      find(where, "a second record is of type '" + type->type + "'");
  }
  schema_types_[id] = std::move(*type);
}

void CatalogCheck::take_schema_version(uint32_t id, std::string_view value,
                                       const std::string& where) {
  uint32_t type_id = 0;
  auto version = core::decode_schema_version(id, value, &type_id);
  if (!version) return find(where, "is no version of a schema");
  check_id(core::kSchemaVersionEntity, id, where);
  const auto type = schema_types_.find(type_id);
  if (type == schema_types_.end()) return find(where, "is of no type that is there");
  if (version->version > type->second.last_version)
    find(where, "is above the last version of its type");
  const int32_t number = version->version;
  const bool is_new =
      type->second.versions
          .emplace(number, std::make_shared<const core::SchemaVersion>(std::move(*version)))
          .second;
  if (!is_new) find(where, "is there twice");
}

void CatalogCheck::take_principal(TenantId tenant, uint32_t id, std::string_view value,
                                  const std::string& where) {
  auto principal = core::decode_principal(tenant, PrincipalId(id), value);
  if (!principal) return find(where, "is no principal record");
  check_id(core::kPrincipalEntity, id, where);
  core::CatalogSnapshot& catalog = facts_->catalog;
  if (catalog.principal(tenant, principal->name) != nullptr)
    return find(where, "a second principal is called '" + principal->name + "'");
  for (const auto& key : principal->keys) {
    if (catalog.key_holder(key.id) != nullptr)
      find(where, "key " + key.id + " is another principal's, too");
  }
  for (const auto& subject : principal->subjects) {
    if (catalog.subject_holder(subject) != nullptr)
      find(where, "subject '" + subject + "' is another principal's, too");
  }
  catalog.put(std::make_shared<const core::Principal>(std::move(*principal)));
}

void CatalogCheck::take_topic(TenantId tenant, uint32_t id, std::string_view value,
                              const std::string& where) {
  auto topic = core::decode_topic(tenant, TopicId(id), value);
  if (!topic) return find(where, "is no topic record");
  check_id(core::kTopicEntity, id, where);
  if (topic->partitions == 0) find(where, "topic '" + topic->name + "' has no partition");
  auto shared = std::make_shared<const core::Topic>(std::move(*topic));
  facts_->catalog.topics_by_id[{tenant, shared->id}] = shared;
  if (!facts_->catalog.topics.emplace(std::pair(tenant, shared->name), shared).second)
    find(where, "a second topic is called '" + shared->name + "'");
}

void CatalogCheck::take_group(TenantId tenant, uint32_t id, std::string_view value,
                              const std::string& where) {
  auto group = core::decode_group(tenant, GroupId(id), value);
  if (!group) return find(where, "is no group record");
  check_id(core::kGroupEntity, id, where);
  auto shared = std::make_shared<const core::GroupRecord>(std::move(*group));
  facts_->groups_by_id[{tenant, shared->id}] = shared;
  if (!facts_->catalog.groups.emplace(std::pair(tenant, shared->name), shared).second)
    find(where, "a second group is called '" + shared->name + "'");
}

// An id above its block would be given out a second time.
void CatalogCheck::check_id(uint8_t kind, uint32_t id, const std::string& where) {
  const auto next = next_ids_.find(kind);
  if (next == next_ids_.end() || int64_t{id} >= next->second)
    find(where, "its id is not below the next one to be given out");
}

void CatalogCheck::check_references() {
  const core::CatalogSnapshot& catalog = facts_->catalog;
  const auto tenant_exists = [&](TenantId id) { return catalog.tenant(id) != nullptr; };
  for (const auto& [key, topic] : catalog.topics_by_id) {
    if (!tenant_exists(key.first))
      find("topic '" + topic->name + "'",
           "belongs to tenant " + std::to_string(key.first.value()) + ", which does not exist");
  }
  for (const auto& [key, principal] : catalog.principals) {
    if (!tenant_exists(key.first))
      find("principal '" + principal->name + "'",
           "belongs to tenant " + std::to_string(key.first.value()) + ", which does not exist");
  }
  for (const auto& [id, type] : schema_types_) {
    if (!tenant_exists(type.tenant))
      find("schemas of type '" + type.type + "'",
           "belong to tenant " + std::to_string(type.tenant.value()) + ", which does not exist");
    if (type.versions.empty()) find("schemas of type '" + type.type + "'", "have no version");
  }
  for (const auto& [key, group] : facts_->groups_by_id) {
    if (catalog.topic(group->tenant, group->topic) == nullptr)
      find("group '" + group->name + "'",
           "reads topic " + std::to_string(group->topic.value()) + ", which does not exist");
  }
}

}  // namespace

Check check_catalog(const storage::ReadOnlyStore& store, Facts* facts) {
  return CatalogCheck(store, facts).run();
}

}  // namespace headrace::doctor

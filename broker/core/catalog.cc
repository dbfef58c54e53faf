#include "broker/core/catalog.h"

#include <algorithm>

#include "broker/limits.h"
#ifdef HEADRACE_PLANTED
#include "metrics/planted.h"
#endif
#include "records.pb.h"

namespace headrace::core {
namespace {

bool name_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

template <class Map, class Name>
auto find_or_null(const Map& map, const Name& name) -> typename Map::mapped_type {
  auto at = map.find(name);
  return at == map.end() ? nullptr : at->second;
}

}  // namespace

TopicPtr CatalogSnapshot::topic(TenantId tenant, std::string_view name) const {
#ifdef HEADRACE_PLANTED
  // A planted bug that the simulation must find: another tenant's topic of the same name.
  if (planted("isolation")) {
    for (const auto& [key, topic] : topics) {
      if (key.second == name) return topic;
    }
  }
#endif
  return find_or_null(topics, Name(tenant, name));
}

TopicPtr CatalogSnapshot::topic(TenantId tenant, TopicId id) const {
  return find_or_null(topics_by_id, std::pair(tenant, id));
}

GroupPtr CatalogSnapshot::group(TenantId tenant, std::string_view name) const {
  return find_or_null(groups, Name(tenant, name));
}

TenantPtr CatalogSnapshot::tenant(std::string_view name) const {
  return find_or_null(tenants, name);
}

TenantPtr CatalogSnapshot::tenant(TenantId id) const {
  return find_or_null(tenants_by_id, id);
}

PrincipalPtr CatalogSnapshot::principal(TenantId tenant, std::string_view name) const {
  return find_or_null(principals, Name(tenant, name));
}

PrincipalPtr CatalogSnapshot::key_holder(std::string_view id) const {
  return find_or_null(keys, id);
}

PrincipalPtr CatalogSnapshot::subject_holder(std::string_view subject) const {
  return find_or_null(subjects, subject);
}

TenantSchemasPtr CatalogSnapshot::schemas_of(TenantId tenant) const {
  return find_or_null(schemas, tenant);
}

SchemaTypePtr CatalogSnapshot::schema_type(TenantId tenant, std::string_view type) const {
  const TenantSchemasPtr of = schemas_of(tenant);
  return of == nullptr ? nullptr : find_or_null(of->types, type);
}

bool CatalogSnapshot::has_platform_owner() const {
  for (auto at = principals.lower_bound({kDefaultTenant, ""});
       at != principals.end() && at->first.first == kDefaultTenant; ++at) {
    if (at->second->platform && at->second->has_credentials()) return true;
  }
  return false;
}

void CatalogSnapshot::put(const TenantPtr& tenant) {
  tenants[tenant->name] = tenant;
  tenants_by_id[tenant->id] = tenant;
}

void CatalogSnapshot::erase(const Tenant& tenant) {
  tenants.erase(tenant.name);
  tenants_by_id.erase(tenant.id);
}

void CatalogSnapshot::put(const PrincipalPtr& principal) {
  if (const PrincipalPtr old = this->principal(principal->tenant, principal->name)) erase(*old);
  principals[{principal->tenant, principal->name}] = principal;
  for (const ApiKey& key : principal->keys) keys[key.id] = principal;
  for (const std::string& subject : principal->subjects) subjects[subject] = principal;
}

void CatalogSnapshot::erase(const Principal& principal) {
  for (const ApiKey& key : principal.keys) keys.erase(key.id);
  for (const std::string& subject : principal.subjects) subjects.erase(subject);
  principals.erase({principal.tenant, principal.name});
}

void CatalogSnapshot::put(const SchemaTypePtr& type) {
  const TenantSchemasPtr old = schemas_of(type->tenant);
  auto changed =
      old == nullptr ? std::make_shared<TenantSchemas>() : std::make_shared<TenantSchemas>(*old);
  changed->types[type->type] = type;
  changed->count();
  schemas[type->tenant] = std::move(changed);
}

void CatalogSnapshot::erase(const SchemaType& type) {
  const TenantSchemasPtr old = schemas_of(type.tenant);
  if (old == nullptr) return;
  auto changed = std::make_shared<TenantSchemas>(*old);
  changed->types.erase(type.type);
  changed->count();
  if (changed->types.empty()) {
    schemas.erase(type.tenant);
  } else {
    schemas[type.tenant] = std::move(changed);
  }
}

Error check_name(std::string_view what, std::string_view name) {
  const bool ok = !name.empty() && name.size() <= limits::kNameMax && name != "." && name != ".." &&
                  std::all_of(name.begin(), name.end(), name_character);
  if (ok) return {};
  std::string detail(what);
  if (name.empty()) return Error(ErrorCode::bad_name, detail + " is empty");
  if (name.size() > limits::kNameMax) {
    return Error(ErrorCode::bad_name,
                 detail + " has " + std::to_string(name.size()) + " characters");
  }
  // Quote what may be quoted: strangers' bytes do not go into logs and terminals as they are.
  std::string shown;
  for (char c : name.substr(0, 60)) shown += name_character(c) ? c : '?';
  return Error(ErrorCode::bad_name,
               detail + " '" + shown + "' ('?' stands for what is not allowed)");
}

Error no_such_topic(std::string_view name) {
  Error error;
  if (name != kSystemTopic) error = check_name("topic", name);
  if (!error) error = Error(ErrorCode::unknown_topic, "'" + std::string(name) + "'");
  return error;
}

ShardId shard_of(TenantId tenant, TopicId topic, uint32_t shards) {
  if (shards <= 1) return kMetaShard;
  uint64_t mixed = (uint64_t{tenant.value()} << 32 | topic.value()) * 0x9e3779b97f4a7c15ULL;
  mixed ^= mixed >> 32;
  return ShardId(static_cast<uint16_t>(1 + mixed % (shards - 1)));
}

std::string encode(const Topic& topic) {
  records::Topic row;
  row.set_name(topic.name);
  row.set_partitions(topic.partitions);
  row.set_dedup_window_us(topic.dedup.window_us);
  row.set_dedup_max_ids(topic.dedup.max_ids);
  auto* retention = row.mutable_retention();
  if (topic.retention.age_us) retention->set_age_us(*topic.retention.age_us);
  if (topic.retention.bytes) retention->set_bytes(*topic.retention.bytes);
  if (topic.retention.events) retention->set_events(*topic.retention.events);
  if (topic.retention.months) retention->set_months(*topic.retention.months);
  row.set_state(static_cast<uint32_t>(topic.state));
  row.set_created_us(topic.created_us);
  row.set_shard(topic.shard.value());
  return row.SerializeAsString();
}

std::optional<Topic> decode_topic(TenantId tenant, TopicId id, std::string_view bytes) {
  records::Topic row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (row.partitions() == 0 || row.state() > 1 || row.shard() > UINT16_MAX) return std::nullopt;
  Topic topic;
  topic.tenant = tenant;
  topic.id = id;
  topic.name = row.name();
  topic.partitions = row.partitions();
  topic.dedup = {row.dedup_window_us(), row.dedup_max_ids()};
  const auto& retention = row.retention();
  if (retention.has_age_us()) topic.retention.age_us = retention.age_us();
  if (retention.has_bytes()) topic.retention.bytes = retention.bytes();
  if (retention.has_events()) topic.retention.events = retention.events();
  if (retention.has_months()) topic.retention.months = retention.months();
  topic.state = static_cast<Topic::State>(row.state());
  topic.created_us = row.created_us();
  topic.shard = ShardId(static_cast<uint16_t>(row.shard()));
  return topic;
}

std::string encode(const GroupRecord& group) {
  records::Group row;
  row.set_name(group.name);
  row.set_topic_id(group.topic.value());
  row.set_created_us(group.created_us);
  row.set_state(static_cast<uint32_t>(group.state));
  row.set_kind(static_cast<uint32_t>(group.kind));
  if (group.kind == GroupRecord::Kind::acked) {
    encode(group.options, row.mutable_options());
    row.set_version(group.version);
  }
  return row.SerializeAsString();
}

std::optional<GroupRecord> decode_group(TenantId tenant, GroupId id, std::string_view bytes) {
  records::Group row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (row.state() > 1 || row.kind() > 1) return std::nullopt;
  GroupRecord group;
  group.tenant = tenant;
  group.id = id;
  group.name = row.name();
  group.topic = TopicId(row.topic_id());
  group.state = static_cast<GroupRecord::State>(row.state());
  group.created_us = row.created_us();
  group.kind = static_cast<GroupRecord::Kind>(row.kind());
  if (group.kind == GroupRecord::Kind::acked) {
    group.options = decode_options(row.options());
    group.version = row.version();
  }
  return group;
}

}  // namespace headrace::core

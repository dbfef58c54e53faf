// What exists: tenants, principals, topics, group names. The meta shard owns the catalog and
// changes it by its WriteSets; everybody else reads immutable snapshots.
//
// CatalogSnapshot lives on: any thread (immutable). Catalog (catalog_store.h) lives on: the reactor
// that owns the meta shard.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "broker/core/error.h"
#include "broker/core/group_options.h"
#include "broker/core/principal.h"
#include "broker/core/schema_record.h"
#include "storage/types.h"

namespace headrace::core {

// Unset fields do not limit. Per partition, except months.
struct Retention {
  std::optional<int64_t> age_us;
  std::optional<int64_t> bytes;
  std::optional<int64_t> events;
  std::optional<uint32_t> months;  // whole months kept beside the current one

  bool operator==(const Retention&) const = default;
  bool unlimited() const { return !age_us && !bytes && !events && !months; }
};

// Recognising an event that is published again by its id. Off while the window is 0.
struct Dedup {
  int64_t window_us = 0;
  uint32_t max_ids = 0;  // per partition

  bool operator==(const Dedup&) const = default;
};

struct Topic {
  enum class State : uint8_t { active = 0, deleting = 1 };  // persistent numbers

  TenantId tenant;
  TopicId id;
  std::string name;
  uint32_t partitions = 1;
  Retention retention;
  Dedup dedup;
  State state = State::active;
  int64_t created_us = 0;
  ShardId shard;

  PartitionKey partition(PartitionId number) const { return {tenant, id, SliceId(0), number}; }
};
using TopicPtr = std::shared_ptr<const Topic>;

struct GroupRecord {
  enum class Kind : uint8_t { positional = 0, acked = 1 };
  enum class State : uint8_t { active = 0, deleting = 1 };

  TenantId tenant;
  GroupId id;
  std::string name;
  Kind kind = Kind::positional;
  TopicId topic;
  State state = State::active;
  int64_t created_us = 0;
  GroupOptions options;  // acked groups
  uint64_t version = 1;  // of the options
};
using GroupPtr = std::shared_ptr<const GroupRecord>;

struct CatalogSnapshot {
  using Name = std::pair<TenantId, std::string>;

  uint64_t version = 0;
  std::map<std::string, TenantPtr, std::less<>> tenants;
  std::map<TenantId, TenantPtr> tenants_by_id;
  std::map<Name, PrincipalPtr> principals;
  // Credentials are looked up before the tenant is known: unique in the node.
  std::map<std::string, PrincipalPtr, std::less<>> keys;      // by the key's id
  std::map<std::string, PrincipalPtr, std::less<>> subjects;  // of client certificates
  std::map<Name, TopicPtr> topics;
  std::map<std::pair<TenantId, TopicId>, TopicPtr> topics_by_id;
  std::map<Name, GroupPtr> groups;
  std::map<TenantId, TenantSchemasPtr> schemas;  // of those that have some

  TopicPtr topic(TenantId tenant, std::string_view name) const;
  TopicPtr topic(TenantId tenant, TopicId id) const;
  GroupPtr group(TenantId tenant, std::string_view name) const;
  TenantPtr tenant(std::string_view name) const;
  TenantPtr tenant(TenantId id) const;
  PrincipalPtr principal(TenantId tenant, std::string_view name) const;
  PrincipalPtr key_holder(std::string_view id) const;
  PrincipalPtr subject_holder(std::string_view subject) const;
  TenantSchemasPtr schemas_of(TenantId tenant) const;  // null: none
  SchemaTypePtr schema_type(TenantId tenant, std::string_view type) const;
  // Somebody of tenant `default` who may do everything has credentials.
  bool has_platform_owner() const;

  void put(const TenantPtr& tenant);
  void erase(const Tenant& tenant);
  void put(const PrincipalPtr& principal);  // instead of the one of this name
  void erase(const Principal& principal);
  void put(const SchemaTypePtr& type);  // instead of the one of this name
  void erase(const SchemaType& type);
};
using CatalogPtr = std::shared_ptr<const CatalogSnapshot>;

// How many of topics, groups or principals a tenant has.
template <class Map>
size_t count_of(const Map& map, TenantId tenant) {
  auto from = map.lower_bound({tenant, ""});
  auto to = map.lower_bound({TenantId(tenant.value() + 1), ""});
  return static_cast<size_t>(std::distance(from, to));
}

// What the broker itself publishes to (system_events.h): no name that anybody could give.
constexpr std::string_view kSystemTopic = "$sys";

// 1-249 characters of A-Z a-z 0-9 . _ - ; `what` is "topic", "group" ... for the sentence.
Error check_name(std::string_view what, std::string_view name);
// Of a name under which nothing was found.
Error no_such_topic(std::string_view name);

// Where a topic lives: a hash over the shards beside the meta shard.
ShardId shard_of(TenantId tenant, TopicId topic, uint32_t shards);

// Catalog records ↔ rows.
std::string encode(const Topic& topic);
std::optional<Topic> decode_topic(TenantId tenant, TopicId id, std::string_view row);
std::string encode(const GroupRecord& group);
std::optional<GroupRecord> decode_group(TenantId tenant, GroupId id, std::string_view row);

}  // namespace headrace::core

// Keys of catalog rows: what kind of thing, and its id. Persistent numbers. docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "metrics/big_endian.h"

namespace headrace::core {

constexpr uint8_t kTenantEntity = 1;  // kept under the node's tenant, so that all are found
constexpr uint8_t kTopicEntity = 2;
constexpr uint8_t kGroupEntity = 3;
constexpr uint8_t kPrincipalEntity = 4;
constexpr uint8_t kSchemaTypeEntity = 20;  // read before its versions
constexpr uint8_t kSchemaVersionEntity = 21;
// Kinds of id blocks: the entity's number, and producers. Ids are unique in the whole node.
constexpr uint8_t kProducerIds = 1;
constexpr uint8_t kTenantIds = 5;  // the tenant's own number is 1, which producers have
constexpr uint8_t kIdKinds[] = {kProducerIds,        kTopicEntity, kGroupEntity,
                                kPrincipalEntity,    kTenantIds,   kSchemaTypeEntity,
                                kSchemaVersionEntity};

struct EntityKey {
  uint8_t entity;
  uint32_t id;
};
// catalog_key ends with entity u8, id u32.
inline std::optional<EntityKey> parse_entity(std::string_view key) {
  if (key.size() < 5) return std::nullopt;
  const auto* tail = reinterpret_cast<const std::byte*>(key.data() + key.size() - 5);
  return EntityKey{static_cast<uint8_t>(tail[0]), load_be<uint32_t>(tail + 1)};
}

}  // namespace headrace::core

// The registry's records: event types with their schemas, version by version. Part of the catalog:
// the meta shard changes them, everybody reads snapshots.
//
// Immutable once shared; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/schema/schema.h"
#include "storage/types.h"

namespace headrace::core {

// What becomes of an event that does not match its type's schema.
enum class Validation : uint8_t {  // persistent numbers
  off = 0,                         // nobody looks
  advisory = 1,                    // it is stored; counted and logged
  enforce = 2,                     // it is refused
  dead_letter = 3,                 // it is stored; acked groups get a dead letter instead of it
};
// Whether an event that does not match is kept from handlers.
constexpr bool keeps_out(Validation mode) {
  return mode == Validation::enforce || mode == Validation::dead_letter;
}
std::string_view to_string(Validation mode);
std::optional<Validation> parse_validation(std::string_view word);

struct SchemaVersion {
  uint32_t id = 0;      // unique in the node
  int32_t version = 1;  // what events name in ce_schemaversion
  schema::SourcePtr source;
  int64_t created_us = 0;
  std::string actor;
};
using SchemaVersionPtr = std::shared_ptr<const SchemaVersion>;

struct SchemaType {
  TenantId tenant;
  uint32_t id = 0;
  std::string type;
  Validation mode = Validation::advisory;
  schema::Compatibility compatibility = schema::Compatibility::backward;
  uint64_t revision = 1;                         // of anything of it
  int32_t last_version = 0;                      // ever: numbers are not given out again
  std::map<int32_t, SchemaVersionPtr> versions;  // never empty in a snapshot

  // The one that an event is held to; it is of version 1 (or the first there is) if it does not
  // say. Null: that one is not registered.
  SchemaVersionPtr of_event(std::optional<int32_t> version) const;
};
using SchemaTypePtr = std::shared_ptr<const SchemaType>;

struct TenantSchemas {
  std::map<std::string, SchemaTypePtr, std::less<>> types;
  bool any_active = false;    // of a mode other than off
  bool any_enforced = false;  // or dead_letter: no summary of a compressed batch is believed
  size_t bytes = 0;           // of all texts

  SchemaTypePtr active(std::string_view type) const;  // null: nothing is validated
  void count();                                       // after a change
};
using TenantSchemasPtr = std::shared_ptr<const TenantSchemas>;

// The version in a ce_schemaversion: "2", or "2.1", of which the part behind the dot says nothing
// here. nullopt: it is no number from 1 to 2^31 - 1.
std::optional<int32_t> parse_schema_version(std::string_view text);
// Of an event without the attribute.
constexpr int32_t kUnversioned = 1;

// Records ↔ rows. A type's row has no versions; each has a row of its own.
std::string encode(const SchemaType& type);
std::optional<SchemaType> decode_schema_type(TenantId tenant, uint32_t id, std::string_view row);
std::string encode(const SchemaVersion& version, uint32_t type_id);
std::optional<SchemaVersion> decode_schema_version(uint32_t id, std::string_view row,
                                                   uint32_t* type_id);

}  // namespace headrace::core

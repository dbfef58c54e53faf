// The audit trail as rows: every entry of a tenant in a shard is hashed together with the one
// before it, so that none can be changed, left out or put between without all later ones being made
// anew.
//
//   row  = hash, entry (records.AuditEntry)
//   hash = SHA-256 of (hash of the entry before, or 32 zeros; key; entry)
//   head = version u8 = 1, last sequence u64, told up to u64, hash of the last entry
//
// Pure functions; the owner shard writes, anybody may verify.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/sha256.h"
#include "storage/keys.h"

namespace headrace::storage {

struct AuditHead {
  uint64_t last = 0;  // sequence of the newest entry; 0: there is none
  uint64_t told = 0;  // system events were published up to this one
  Sha256 hash{};      // of the newest entry

  std::string encode() const;
  static std::optional<AuditHead> decode(std::string_view row);
};

Sha256 audit_hash(const Sha256& before, const Key& key, std::string_view entry);

struct AuditRow {
  Sha256 hash;
  std::string_view entry;  // into the row
};
std::string encode_audit_row(const Sha256& hash, std::string_view entry);
std::optional<AuditRow> decode_audit_row(std::string_view row);

}  // namespace headrace::storage

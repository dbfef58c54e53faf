// The audit trail of a shard. As api.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/api.h"
#include "metrics/sha256.h"

namespace headrace::core {

enum class AuditAction : uint8_t {
#define HR_AUDIT(name, action, text) name,
#include "broker/core/audit.def"
#undef HR_AUDIT
};
std::string_view to_string(AuditAction action);

// Of what was changed: the value before and behind it, as people read it.
struct AuditChange {
  std::string field;
  std::string before;
  std::string after;
};

// The entries of the caller's tenant in one shard, oldest first.
struct ReadAudit final : RequestOf<Request::Kind::read_audit> {
  using RequestOf::RequestOf;
  struct Entry {
    uint64_t sequence = 0;
    Sha256 hash{};
    std::string bytes;  // records.AuditEntry, as it was hashed
  };
  uint64_t from = 1;  // sequence
  uint32_t page_size = 50;
  // out
  std::vector<Entry> entries;
  bool more = false;
};

}  // namespace headrace::core

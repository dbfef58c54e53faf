// What the checks know: the catalog, and what the rows of `state` say of each partition.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/catalog.h"
#include "broker/doctor/doctor.h"
#include "storage/month.h"
#include "storage/rocks/read_only.h"

namespace headrace::doctor {

inline constexpr const char* kRestore =
    "restore the data directory from a backup, or keep it and ask for help; do not serve it";

struct Span {
  Offset first;
  storage::MonthRow row;
  // What the log has of it so far; filled by the log check.
  Offset end;          // behind its last batch
  Offset chunked_end;  // behind the last batch that a chunk row describes
  uint64_t chunked_bytes = 0;
  uint32_t chunked_digest = 0;
  bool begun = false;
  bool unreadable = false;  // part of it could not be read: nothing more is concluded

  Offset row_end() const { return first + static_cast<int64_t>(row.events); }
};

struct Partition {
  std::vector<Span> spans;  // by first offset
  Offset log_start;
  int64_t trimmed_bytes = 0;  // of the first span
  Offset lookups_from;        // chunks in [from, end) must have look-up rows
  Offset lookups_end;
  Offset end;  // next offset, as the log has it
  int64_t last_append_us = 0;
  bool unreadable = false;
  std::optional<storage::ImportRow> import;  // rows that are not part of the log yet

  Span* span_of(Offset offset);
};

struct Facts {
  core::CatalogSnapshot catalog;
  std::map<std::pair<TenantId, GroupId>, core::GroupPtr> groups_by_id;
  std::map<PartitionKey, Partition> partitions;
};

std::string name_of(const PartitionKey& partition);  // as logs and keys print it

// Each fills in what it learns and reports what it finds.
Check check_catalog(const storage::ReadOnlyStore& store, Facts* facts);
Check check_months(const storage::ReadOnlyStore& store, Facts* facts);
Check check_log(const storage::ReadOnlyStore& store, Facts* facts);
Check check_producers(const storage::ReadOnlyStore& store, const Facts& facts);
Check check_groups(const storage::ReadOnlyStore& store, const Facts& facts);
Check check_delivery(const storage::ReadOnlyStore& store, const Facts& facts);
Check check_waiting(const storage::ReadOnlyStore& store, const Facts& facts);
Check check_audit(const storage::ReadOnlyStore& store);

// Calls visit(key, value) for the rows of `state` of one kind, of all tenants. An unreadable part
// is reported to `check`.
template <class Visit>
void each_state_row(const storage::ReadOnlyStore& store, storage::StateKind kind, Check* check,
                    Visit&& visit) {
  constexpr size_t kKindAt = sizeof(uint32_t);
  const auto rows = store.scan({}, storage::Key(), storage::Key().after_prefix());
  for (; rows->valid(); rows->next()) {
    const std::string_view key = rows->key();
    if (key.size() <= kKindAt || static_cast<uint8_t>(key[kKindAt]) != static_cast<uint8_t>(kind))
      continue;
    visit(key, rows->value());
  }
  if (const std::string error = rows->error(); !error.empty())
    check->add({"family state", "cannot be read: " + error, kRestore});
}

// The partition of a `state` row of the kinds that have one.
std::optional<PartitionKey> partition_of(std::string_view key);

}  // namespace headrace::doctor

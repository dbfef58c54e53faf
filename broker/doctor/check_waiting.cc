// Rows beside the log: delayed events with their ids and totals, remembered event ids, counts by
// type. Each parses, belongs to a topic, and is counted.
#include <map>

#include "broker/core/delayed_event.h"
#include "broker/doctor/facts.h"
#include "records.pb.h"
#include "storage/byte_reader.h"
#include "storage/dedup_row.h"

namespace headrace::doctor {
namespace {

constexpr const char* kDelayedAdvice =
    "publish again what is missed; the log itself is not affected";
constexpr const char* kHarmless = "nothing is lost: statistics, or ids that are looked for again";

struct Delayed {
  int64_t entries = 0;
  int64_t bytes = 0;
  int64_t ids = 0;
  int64_t counted_entries = 0;
  int64_t counted_bytes = 0;
};

class Rows {
 public:
  Rows(const storage::ReadOnlyStore& store, const Facts& facts, Check* check)
      : store_(store), facts_(facts), check_(check) {}

  template <class Visit>
  size_t each(storage::Table table, Visit&& visit) {
    size_t count = 0;
    const auto rows =
        store_.scan({table, Month(0), TenantId(0)}, storage::Key(), storage::Key().after_prefix());
    for (; rows->valid(); rows->next(), ++count) {
      visit(storage::to_text(table, rows->key()), rows->key(), rows->value());
    }
    if (const std::string error = rows->error(); !error.empty()) {
      check_->add({"family " + std::string(storage::to_string(table)), "cannot be read: " + error,
                   kRestore});
    }
    return count;
  }
  bool known(TenantId tenant, TopicId topic) const {
    return facts_.catalog.topic(tenant, topic) != nullptr;
  }

 private:
  const storage::ReadOnlyStore& store_;
  const Facts& facts_;
  Check* const check_;
};

void count_delayed(const std::string& where, const storage::DelayedKeyParts& parts,
                   std::string_view value, Delayed* counts, Check* check) {
  switch (parts.kind) {
    case storage::DelayedKind::entry:
      ++counts->entries;
      counts->bytes += static_cast<int64_t>(value.size());
      if (!core::decode_delayed(value)) check->add({where, "does not parse", kDelayedAdvice});
      return;
    case storage::DelayedKind::id:
      ++counts->ids;
      return;
    case storage::DelayedKind::totals:
      if (value.size() != 2 * sizeof(int64_t)) {
        return check->add({where, "are no totals", kRestore});
      }
      const auto* at = reinterpret_cast<const std::byte*>(value.data());
      counts->counted_entries = load_be<int64_t>(at);
      counts->counted_bytes = load_be<int64_t>(at + sizeof(int64_t));
      return;
  }
}

size_t check_delayed(Rows& rows, Check* check) {
  std::map<PartitionKey, Delayed> partitions;
  rows.each(storage::Table::delayed,
            [&](const std::string& where, std::string_view key, std::string_view value) {
              const auto parts = storage::parse_delayed_key(key);
              if (!parts || !rows.known(parts->partition.tenant, parts->partition.topic)) {
                return check->add({where, "belongs to no topic", kRestore});
              }
              count_delayed(where, *parts, value, &partitions[parts->partition], check);
            });
  size_t entries = 0;
  for (const auto& [partition, counts] : partitions) {
    entries += static_cast<size_t>(counts.entries);
    if (counts.entries == counts.counted_entries && counts.bytes == counts.counted_bytes &&
        counts.entries == counts.ids) {
      continue;
    }
    check->add({name_of(partition),
                "counts " + std::to_string(counts.counted_entries) + " delayed events of " +
                    std::to_string(counts.counted_bytes) + " bytes, but there are " +
                    std::to_string(counts.entries) + " of " + std::to_string(counts.bytes) +
                    ", and " + std::to_string(counts.ids) + " ids",
                kDelayedAdvice});
  }
  return entries;
}

}  // namespace

Check check_waiting(const storage::ReadOnlyStore& store, const Facts& facts) {
  Check check{"beside the log", {}, {}, 0};
  Rows rows(store, facts, &check);
  const size_t delayed = check_delayed(rows, &check);
  const size_t ids =
      rows.each(storage::Table::dedup,
                [&](const std::string& where, std::string_view key, std::string_view value) {
                  const auto parts = storage::parse_dedup_key(key);
                  if (!parts || !rows.known(parts->partition.tenant, parts->partition.topic)) {
                    check.add({where, "belongs to no topic", kHarmless});
                  } else if (!storage::DedupRow::decode(value)) {
                    check.add({where, "does not parse", kHarmless});
                  }
                });
  const size_t rollups =
      rows.each(storage::Table::rollup,
                [&](const std::string& where, std::string_view, std::string_view value) {
                  records::TypeRollup row;
                  if (!row.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
                    check.add({where, "does not parse", kHarmless});
                  }
                });
  check.covered = std::to_string(delayed) + " delayed events, " + std::to_string(ids) +
                  " rows of event ids, " + std::to_string(rollups) + " rollups";
  return check;
}

}  // namespace headrace::doctor

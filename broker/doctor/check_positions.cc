// What points into the log: the ranges that producers appended, the positions of groups.
#include "broker/doctor/facts.h"
#include "storage/offset_row.h"
#include "storage/producer_row.h"

namespace headrace::doctor {
namespace {

constexpr const char* kResetGroup =
    "delete the group or commit a position within the log; the log itself is not affected";

// The next offset of the partition; 0 if nothing was ever appended; none if it cannot be known.
std::optional<Offset> end_of(const Facts& facts, const PartitionKey& key) {
  const auto at = facts.partitions.find(key);
  if (at == facts.partitions.end()) return Offset(0);
  if (at->second.unreadable) return std::nullopt;
  return at->second.end;
}

void check_producer(std::string_view key, std::string_view value, const Facts& facts,
                    Check* check) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto partition = partition_of(key);
  const auto row = storage::ProducerRow::decode(value);
  if (!partition || !storage::parse_trailing_i64(key) || !row)
    return check->add({where, "is no row of a producer", kRestore});
  const auto end = end_of(facts, *partition);
  int64_t last_base = -1;
  for (size_t i = 0; i < row->range_count; ++i) {
    const storage::ProducerRow::Range& range = row->ranges[i];
    if (range.base_offset < Offset(0)) continue;  // of a delayed publish: no place in the log
    if (range.base_offset.value() <= last_base)
      check->add({where, "its ranges are not in the order of the log", kRestore});
    if (end && range.base_offset >= *end) {
      check->add({where,
                  "it appended offset " + std::to_string(range.base_offset.value()) +
                      ", but the log ends at " + std::to_string(end->value()),
                  "events may be lost: " + std::string(kRestore)});
    }
    last_base = range.base_offset.value();
  }
}

void check_position(std::string_view key, std::string_view value, const Facts& facts,
                    Check* check) {
  const auto where = storage::to_text(storage::Table::offsets, key);
  const auto parts = storage::parse_offsets_key(key);
  const auto row = storage::OffsetRow::decode(value);
  if (!parts) return check->add({where, "is no position of a group", kResetGroup});
  const auto group = facts.groups_by_id.find({parts->partition.tenant, parts->group});
  const bool known = group != facts.groups_by_id.end();
  if (known && group->second->kind == core::GroupRecord::Kind::acked) return;  // check_delivery's
  if (!row) return check->add({where, "is no position of a group", kResetGroup});
  if (!known)
    return check->add({where, "belongs to a group that the catalog does not know", kResetGroup});
  if (group->second->topic != parts->partition.topic)
    check->add({where, "group '" + group->second->name + "' reads another topic", kResetGroup});
  const auto end = end_of(facts, parts->partition);
  if (end && row->position > *end) {
    check->add({where,
                "group '" + group->second->name + "' committed " +
                    std::to_string(row->position.value()) + ", but the log ends at " +
                    std::to_string(end->value()),
                "events may be lost: " + std::string(kRestore)});
  }
}

}  // namespace

Check check_producers(const storage::ReadOnlyStore& store, const Facts& facts) {
  Check check{"producers", {}, {}, 0};
  size_t rows = 0;
  each_state_row(store, storage::StateKind::producers, &check,
                 [&](std::string_view key, std::string_view value) {
                   check_producer(key, value, facts, &check);
                   ++rows;
                 });
  check.covered = std::to_string(rows) + " producers";
  return check;
}

Check check_groups(const storage::ReadOnlyStore& store, const Facts& facts) {
  Check check{"groups", {}, {}, 0};
  size_t count = 0;
  const auto rows = store.scan({storage::Table::offsets, Month(0), TenantId(0)}, storage::Key(),
                               storage::Key().after_prefix());
  for (; rows->valid(); rows->next(), ++count)
    check_position(rows->key(), rows->value(), facts, &check);
  if (const std::string error = rows->error(); !error.empty())
    check.add({"family offsets", "cannot be read: " + error, kRestore});
  check.covered = std::to_string(count) + " positions";
  return check;
}

}  // namespace headrace::doctor

// What the broker keeps for acked groups - positions, parked and blocked events, dead letters - and
// that the counts in their rows are those of the rows.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "broker/core/job_record.h"
#include "broker/core/retry_entry.h"
#include "broker/doctor/facts.h"
#include "records.pb.h"
#include "storage/settled_row.h"

namespace headrace::doctor {
namespace {

constexpr const char* kDeleteGroup =
    "ask for help, or delete the group and make it again; the log itself is not affected";

struct DeliveryRows {
  uint64_t parked = 0;
  uint64_t blocked = 0;
  bool has_position = false;
};
struct Letters {
  std::vector<uint64_t> sequences;  // ascending; all
  int64_t dead = 0;
  int64_t dead_bytes = 0;
  int64_t redriven = 0;  // not counted against the quota
  bool has_row = false;  // of the group
};

class DeliveryCheck {
 public:
  DeliveryCheck(const storage::ReadOnlyStore& store, const Facts& facts)
      : store_(store), facts_(facts) {}

  Check run() {
    each(storage::Table::retry, &DeliveryCheck::take_retry);
    each(storage::Table::offsets, &DeliveryCheck::take_position);
    each(storage::Table::dlq, &DeliveryCheck::take_letter);
    each_state_row(store_, storage::StateKind::health, &check_,
                   [&](std::string_view key, std::string_view value) { take_counts(key, value); });
    each_state_row(store_, storage::StateKind::job, &check_,
                   [&](std::string_view key, std::string_view value) { take_job(key, value); });
    for (const auto& [cursor, rows] : cursors_) {
      if (!rows.has_position && !ends_.contains(lane_of(cursor)))
        find(name_of(cursor), "has parked events but no position");
    }
    for (const auto& [group, letters] : letters_) {
      if (!letters.has_row) find(group_name(group), "has dead letters but no counts");
    }
    check_.covered = std::to_string(retries_) + " parked events, " + std::to_string(letters_seen_) +
                     " dead letters";
    return std::move(check_);
  }

 private:
  using GroupKey = std::pair<TenantId, GroupId>;
  using CursorKey = std::tuple<TenantId, GroupId, LaneId, PartitionId>;
  using LaneKey = std::tuple<TenantId, GroupId, LaneId>;

  static LaneKey lane_of(const CursorKey& key) {
    return {std::get<0>(key), std::get<1>(key), std::get<2>(key)};
  }

  void find(const std::string& where, std::string what) {
    check_.add({where, std::move(what), kDeleteGroup});
  }
  std::string group_name(const GroupKey& key) const {
    const auto known = facts_.groups_by_id.find(key);
    return known == facts_.groups_by_id.end() ? "group " + std::to_string(key.second.value())
                                              : "group '" + known->second->name + "'";
  }
  std::string name_of(const CursorKey& key) const {
    return group_name({std::get<0>(key), std::get<1>(key)}) + " partition " +
           std::to_string(std::get<3>(key).value());
  }
  bool is_acked(const GroupKey& key) const {
    const auto known = facts_.groups_by_id.find(key);
    return known != facts_.groups_by_id.end() &&
           known->second->kind == core::GroupRecord::Kind::acked;
  }

  void each(storage::Table table, void (DeliveryCheck::*take)(std::string_view, std::string_view)) {
    const auto rows =
        store_.scan({table, Month(0), TenantId(0)}, storage::Key(), storage::Key().after_prefix());
    for (; rows->valid(); rows->next()) (this->*take)(rows->key(), rows->value());
    if (const std::string error = rows->error(); !error.empty()) {
      check_.add({"table " + std::to_string(static_cast<int>(table)), "cannot be read: " + error,
                  kRestore});
    }
  }

  // The parked events of a redrive that was cancelled outlive its positions for a while.
  void take_job(std::string_view key, std::string_view value) {
    constexpr size_t kGroupAt = 4 + 1 + 4 + 2;  // tenant, kind, topic, slice
    const auto where = storage::to_text(storage::Table::state, key);
    const auto job = core::decode_job(key, value);
    if (!job) return find(where, "is no job of a group");
    const auto* at = reinterpret_cast<const std::byte*>(key.data());
    const GroupKey group{TenantId(load_be<uint32_t>(at)),
                         GroupId(load_be<uint32_t>(at + kGroupAt))};
    if (!is_acked(group)) return find(where, "belongs to a group that the catalog does not know");
    if (job->unwinding) ends_.insert({group.first, group.second, job->lane});
  }

  void take_retry(std::string_view key, std::string_view value) {
    ++retries_;
    const auto where = storage::to_text(storage::Table::retry, key);
    const auto parts = storage::parse_retry_key(key);
    const auto entry = core::decode_retry(key, value);
    if (!parts || !entry) return find(where, "is no parked event");
    const GroupKey group{parts->partition.tenant, parts->group};
    if (!is_acked(group)) return find(where, "belongs to a group that the catalog does not know");
    DeliveryRows& rows =
        cursors_[{group.first, group.second, parts->lane, parts->partition.partition}];
    ++rows.parked;
    if (entry->due_us == core::RetryEntry::kNever) ++rows.blocked;
  }

  void take_position(std::string_view key, std::string_view value) {
    const auto parts = storage::parse_offsets_key(key);
    if (!parts || !is_acked({parts->partition.tenant, parts->group})) return;  // check_groups'
    const auto where = storage::to_text(storage::Table::offsets, key);
    const auto row = storage::SettledRow::decode(value);
    if (!row) return find(where, "is no position of an acked group");
    DeliveryRows& rows =
        cursors_[{parts->partition.tenant, parts->group, parts->lane, parts->partition.partition}];
    rows.has_position = true;
    if (row->parked != rows.parked) {
      find(where, "counts " + std::to_string(row->parked) + " parked events, but there are " +
                      std::to_string(rows.parked));
    }
    const auto partition = facts_.partitions.find(parts->partition);
    if (partition == facts_.partitions.end() || partition->second.unreadable) return;
    const Offset end = row->ranges.empty() ? row->floor : row->ranges.back().second;
    if (end > partition->second.end) {
      find(where, "has settled up to " + std::to_string(end.value()) + ", but the log ends at " +
                      std::to_string(partition->second.end.value()));
    }
  }

  // Letters come before the keys by origin.
  void take_letter(std::string_view key, std::string_view value) {
    constexpr size_t kKindAt = 4 + 4 + 2 + 4;  // tenant, topic, slice, group
    const auto where = storage::to_text(storage::Table::dlq, key);
    if (key.size() <= kKindAt) return find(where, "is no dead letter");
    const auto* at = reinterpret_cast<const std::byte*>(key.data());
    const GroupKey group{TenantId(load_be<uint32_t>(at)), GroupId(load_be<uint32_t>(at + 10))};
    if (!is_acked(group)) return find(where, "belongs to a group that the catalog does not know");
    Letters& letters = letters_[group];
    if (static_cast<storage::DlqKind>(key[kKindAt]) == storage::DlqKind::letter) {
      ++letters_seen_;
      const auto sequence = storage::parse_dlq_letter_key(key);
      records::DeadLetter row;
      if (!sequence || !row.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        return find(where, "is no dead letter");
      }
      letters.sequences.push_back(*sequence);
      if (row.redriven_by() != 0) return void(++letters.redriven);
      ++letters.dead;
      letters.dead_bytes += static_cast<int64_t>(value.size());
      return;
    }
    if (value.size() != sizeof(uint64_t)) return find(where, "names no dead letter");
    const auto sequence = load_be<uint64_t>(reinterpret_cast<const std::byte*>(value.data()));
    if (!std::binary_search(letters.sequences.begin(), letters.sequences.end(), sequence)) {
      find(where, "names dead letter " + std::to_string(sequence) + ", which does not exist");
    }
  }

  void take_counts(std::string_view key, std::string_view value) {
    constexpr size_t kGroupAt = 4 + 1 + 4 + 2;  // tenant, kind, topic, slice
    const auto where = storage::to_text(storage::Table::state, key);
    records::GroupHealth row;
    if (key.size() < kGroupAt + 4 ||
        !row.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      return find(where, "is no state of a group");
    }
    const auto* at = reinterpret_cast<const std::byte*>(key.data());
    const GroupKey group{TenantId(load_be<uint32_t>(at)),
                         GroupId(load_be<uint32_t>(at + kGroupAt))};
    Letters& letters = letters_[group];
    letters.has_row = true;
    const auto& sequences = letters.sequences;
    if (row.letters() != letters.dead || row.letter_bytes() != letters.dead_bytes) {
      find(where, "counts " + std::to_string(row.letters()) + " dead letters of " +
                      std::to_string(row.letter_bytes()) + " bytes, but there are " +
                      std::to_string(letters.dead) + " of " + std::to_string(letters.dead_bytes));
    }
    if (row.redriven_letters() != letters.redriven) {
      find(where, "counts " + std::to_string(row.redriven_letters()) +
                      " redriven dead letters, but there are " + std::to_string(letters.redriven));
    }
    if (!sequences.empty() &&
        (sequences.back() >= row.next_letter() || sequences.front() < row.first_letter())) {
      find(where, "its dead letters are not among the numbers that it has given out");
    }
    compare_blocked(where, group, row);
  }

  void compare_blocked(const std::string& where, const GroupKey& group,
                       const records::GroupHealth& row) {
    std::map<CursorKey, uint64_t> counted;
    for (const auto& one : row.blocked()) {
      counted[{group.first, group.second, LaneId(one.lane()), PartitionId(one.partition())}] =
          one.events();
    }
    const auto first = cursors_.lower_bound({group.first, group.second, LaneId(0), PartitionId(0)});
    for (auto cursor = first;
         cursor != cursors_.end() && std::get<0>(cursor->first) == group.first &&
         std::get<1>(cursor->first) == group.second;
         ++cursor) {
      const uint64_t known = std::exchange(counted[cursor->first], 0);
      if (known == cursor->second.blocked) continue;
      find(where, "counts " + std::to_string(known) + " blocked events of " +
                      name_of(cursor->first) + ", but there are " +
                      std::to_string(cursor->second.blocked));
    }
    for (const auto& [cursor, events] : counted) {
      if (events > 0)
        find(where, "counts blocked events of " + name_of(cursor) + ", but it has none");
    }
  }

  const storage::ReadOnlyStore& store_;
  const Facts& facts_;
  Check check_{"delivery", {}, {}, 0};
  std::map<CursorKey, DeliveryRows> cursors_;
  std::map<GroupKey, Letters> letters_;
  std::set<LaneKey> ends_;  // whose jobs were cancelled
  uint64_t retries_ = 0;
  uint64_t letters_seen_ = 0;
};

}  // namespace

Check check_delivery(const storage::ReadOnlyStore& store, const Facts& facts) {
  return DeliveryCheck(store, facts).run();
}

}  // namespace headrace::doctor

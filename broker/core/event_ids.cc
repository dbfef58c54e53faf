#include "broker/core/event_ids.h"

#include <algorithm>

#include "storage/dedup_row.h"
#include "storage/keys.h"

namespace headrace::core {
namespace {

storage::Place dedup_place(const PartitionKey& partition) {
  return {storage::Table::dedup, Month(0), partition.tenant};
}

// A range removal costs every later reader: one for so much of a window.
constexpr int64_t kExpiriesPerWindow = 4;

}  // namespace

EventIds::EventIds(const PartitionKey& partition, const Dedup& options)
    : partition_(partition), options_(options) {}

storage::Key EventIds::load_from(int64_t now_us) const {
  return storage::dedup_key(partition_, std::max<int64_t>(now_us - options_.window_us, 0),
                            Offset(0));
}

bool EventIds::load(std::string_view key, std::string_view row) {
  const auto at = storage::parse_dedup_key(key);
  const auto decoded = storage::DedupRow::decode(row);
  if (!at || !decoded) return false;
  if (oldest_row_us_ < 0) oldest_row_us_ = at->append_time_us;
  for (const auto& entry : decoded->entries) {
    add(entry.id, {at->base_offset + entry.offset_delta, at->append_time_us, decoded->epoch, 0});
  }
  unwritten_.clear();
  return true;
}

void EventIds::forget(int64_t append_time_us) {
  while (!by_time_.empty() && (by_time_.size() > options_.max_ids ||
                               by_time_.front().first + options_.window_us <= append_time_us)) {
    const auto known = known_.find(by_time_.front().second);
    // It may have been appended again since, when the window was over.
    if (known != known_.end() && known->second.append_time_us == by_time_.front().first) {
      known_.erase(known);
    }
    by_time_.pop_front();
  }
}

const EventIds::Original* EventIds::find(const IdHash& id, int64_t append_time_us) {
  forget(append_time_us);
  const auto known = known_.find(id);
  return known == known_.end() ? nullptr : &known->second;
}

EventIds::Verdict EventIds::check(const std::vector<EventId>& ids, size_t events,
                                  int64_t append_time_us) {
  Verdict verdict;
  const EventId* repeated = nullptr;
  size_t in_a_row = 0;
  std::unordered_map<IdHash, uint32_t> own;
  for (const EventId& id : ids) {
    const Original* original = find(id.hash, append_time_us);
    const bool twice = !own.emplace(id.hash, id.place).second;
    if (original == nullptr && !twice) continue;
    if (repeated == nullptr) repeated = &id;
    if (original == nullptr || id.place != in_a_row) continue;
    if (in_a_row == 0) verdict.first = *original;
    if (original->offset != verdict.first.offset + static_cast<int64_t>(in_a_row)) continue;
    verdict.first.write_sequence = std::max(verdict.first.write_sequence, original->write_sequence);
    ++in_a_row;
  }
  if (repeated == nullptr) return verdict;
  if (in_a_row == events) {
    verdict.kind = Verdict::Kind::repeated;
    return verdict;
  }
  verdict.kind = Verdict::Kind::refused;
  verdict.error = Error(ErrorCode::duplicate_event_id, "'" + std::string(repeated->text) + "'");
  return verdict;
}

void EventIds::add(const IdHash& id, const Original& original) {
  known_[id] = original;
  by_time_.emplace_back(original.append_time_us, id);
  unwritten_.emplace_back(id, original);
  forget(original.append_time_us);
}

void EventIds::write(Offset base, int64_t append_time_us, storage::WriteSet* writes) {
  if (unwritten_.empty()) return;
  storage::DedupRow row;
  row.epoch = unwritten_.front().second.epoch;
  for (const auto& [id, original] : unwritten_) {
    row.entries.push_back({id, static_cast<uint32_t>(original.offset - base)});
  }
  unwritten_.clear();
  writes->put(dedup_place(partition_), storage::dedup_key(partition_, append_time_us, base),
              row.encode());
  if (oldest_row_us_ < 0) oldest_row_us_ = append_time_us;
}

bool EventIds::anything_to_expire(int64_t now_us) const {
  const int64_t slack_us = options_.window_us / kExpiriesPerWindow;
  return on() && oldest_row_us_ >= 0 && oldest_row_us_ + options_.window_us + slack_us <= now_us;
}

void EventIds::expire(int64_t now_us, storage::WriteSet* writes) {
  const storage::Key from = storage::dedup_prefix(partition_);
  const storage::Key to = load_from(now_us);
  writes->remove_range(dedup_place(partition_), from, to);
  forget(now_us);
  oldest_row_us_ = by_time_.empty() ? -1 : by_time_.front().first;
}

}  // namespace headrace::core

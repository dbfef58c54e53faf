#include "broker/core/producers.h"

#include <algorithm>

#include "broker/limits.h"
#include "storage/keys.h"

namespace headrace::core {
namespace {

// Sequences count up and wrap from 2^31 - 1 to 0, as Kafka's do.
int32_t sequence_after(int32_t sequence, int32_t count) {
  return static_cast<int32_t>((int64_t{sequence} + count) & INT32_MAX);
}

}  // namespace

void Producers::load(std::string_view row_key, std::string_view row) {
  const auto id = storage::parse_trailing_i64(row_key);
  auto decoded = storage::ProducerRow::decode(row);
  if (!id || !decoded) return;  // `doctor` names it; a lost row costs a dedup window, not an event
  producers_[ProducerId(*id)] = Producer{std::move(*decoded), 0};
}

Producers::Verdict Producers::check(const ProducerStamp& stamp) const {
  Verdict verdict;
  auto refuse = [&](ErrorCode code, std::string why) {
    verdict.kind = Verdict::Kind::refused;
    verdict.error = Error(code, std::move(why));
    return verdict;
  };
  auto known = producers_.find(stamp.id);
  if (known == producers_.end()) {
    if (stamp.first_sequence == 0) return verdict;
    return refuse(
        ErrorCode::unknown_producer,
        "a producer that is new to a partition, or was forgotten, begins with sequence 0, "
        "not with " +
            std::to_string(stamp.first_sequence));
  }
  const storage::ProducerRow& row = known->second.row;
  if (stamp.epoch < row.epoch) {
    return refuse(ErrorCode::producer_fenced, "its epoch is " + std::to_string(row.epoch));
  }
  if (stamp.epoch > row.epoch) {
    if (stamp.first_sequence == 0) return verdict;
    return refuse(ErrorCode::out_of_order_sequence, "a new epoch begins with sequence 0");
  }
  if (row.last() == nullptr) return verdict;
  const int32_t last = row.last()->last_sequence;
  if (stamp.first_sequence == sequence_after(last, 1)) return verdict;
  const auto* original =
      row.find(stamp.first_sequence, sequence_after(stamp.first_sequence, stamp.count - 1));
#ifdef HEADRACE_PLANTED
  if (original != nullptr) return verdict;  // appended twice; the simulation must see it
#endif
  if (original != nullptr) {
    verdict.kind = Verdict::Kind::duplicate;
    verdict.base_offset = original->base_offset;
    verdict.append_time_us = original->append_time_us;
    verdict.epoch = original->shard_epoch;
    verdict.write_sequence = known->second.write_sequence;
    return verdict;
  }
  // Distance forward on the circle of sequences: less than half is ahead, more is behind.
  const auto ahead = static_cast<uint32_t>(stamp.first_sequence - last) & INT32_MAX;
  if (ahead < (uint32_t{1} << 30)) {
    return refuse(ErrorCode::out_of_order_sequence,
                  "expected " + std::to_string(sequence_after(last, 1)) + ", got " +
                      std::to_string(stamp.first_sequence));
  }
  return refuse(ErrorCode::duplicate_sequence, "sequence " + std::to_string(stamp.first_sequence));
}

void Producers::record(const ProducerStamp& stamp, const Appended& appended,
                       const PartitionKey& partition, storage::WriteSet* writes) {
  if (producers_.size() >= limits::kProducersPerPartition && !producers_.contains(stamp.id)) {
    forget_idlest(partition, writes);
  }
  Producer& producer = producers_[stamp.id];
  if (producer.row.epoch != stamp.epoch) producer.row = storage::ProducerRow{};
  producer.row.epoch = stamp.epoch;
  producer.row.last_used_us = appended.used_us;
  producer.row.push({stamp.first_sequence, sequence_after(stamp.first_sequence, stamp.count - 1),
                     appended.base_offset, appended.append_time_us, appended.epoch});
  producer.write_sequence = appended.write_sequence;
  writes->put(storage::state_place(partition.tenant), storage::producer_key(partition, stamp.id),
              producer.row.encode());
}

void Producers::forget_idlest(const PartitionKey& partition, storage::WriteSet* writes) {
  auto idlest = std::min_element(producers_.begin(), producers_.end(), [](auto& a, auto& b) {
    return a.second.row.last_used_us < b.second.row.last_used_us;
  });
  writes->remove(storage::state_place(partition.tenant),
                 storage::producer_key(partition, idlest->first));
  producers_.erase(idlest);
}

bool Producers::anything_to_expire(int64_t now_wall_us) const {
  return std::any_of(producers_.begin(), producers_.end(), [&](auto& entry) {
    return entry.second.row.last_used_us + limits::kProducerIdleUs < now_wall_us;
  });
}

void Producers::expire(int64_t now_wall_us, const PartitionKey& partition,
                       storage::WriteSet* writes) {
  for (auto at = producers_.begin(); at != producers_.end();) {
    if (at->second.row.last_used_us + limits::kProducerIdleUs >= now_wall_us) {
      ++at;
      continue;
    }
    writes->remove(storage::state_place(partition.tenant),
                   storage::producer_key(partition, at->first));
    at = producers_.erase(at);
  }
}

}  // namespace headrace::core

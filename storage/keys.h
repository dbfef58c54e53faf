// Typed codec of every key: the only place that knows the bytes. All integers big-endian, tenant
// first, so that a tenant is one contiguous range of every family. Grammar: docs/formats.md.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "storage/types.h"

namespace headrace::storage {

// Families of the database. `log` is one family per month (and per dedicated tenant).
// Numbers are persistent (WriteSets, goldens): never change one.
enum class Table : uint8_t {
  log = 0,
  offsets = 1,
  retry = 2,
  delayed = 3,
  dlq = 4,
  audit = 5,
  rollup = 6,
  dedup = 7,
  state = 8,
};
constexpr size_t kTableCount = 9;
std::string_view to_string(Table table);

// Kinds inside the log family: chunk rows sort before the batches and look-up rows behind them, so
// scanning either touches no blob of a batch.
enum class LogKind : uint8_t { chunk = 1, batch = 2, lookup = 3 };

// Kinds inside `state`.
enum class StateKind : uint8_t {
  months = 1,         // topic, slice, partition, first offset → MonthRow
  producers = 2,      // topic, slice, partition, producer id → producer ranges
  log_start = 3,      // topic, slice, partition → first offset that still exists
  catalog = 4,        // entity, id → catalog record (meta shard)
  applied = 5,        // shard → last applied sequence (tenant 0)
  epoch = 6,          // shard → current epoch (tenant 0)
  epoch_start = 7,    // topic, slice, partition, epoch → first offset appended in it
  id_block = 8,       // id kind → next unallocated id (meta shard)
  job = 9,            // topic, slice, group, lane → replay or redrive job
  health = 10,        // topic, slice, group → health row
  audit_head = 11,    // shard, tenant → head of its audit chain (tenant 0)
  key_use = 12,       // id of an API key → when it was used last, wall µs (meta shard)
  lookup_span = 30,   // topic, slice, partition → offsets of the chunks that have look-up rows
  month_import = 55,  // topic, slice, partition → what an import has begun to put there
  attempts = 60,      // topic, slice, partition, group, last offset, lane → how events were acked
};

// At most 47 bytes, no allocation. Compares like RocksDB's bytewise comparator.
class Key {
 public:
  static constexpr size_t kCapacity = 47;

  Key() = default;
  explicit Key(std::string_view bytes);  // checks the length

  std::string_view view() const { return {bytes_.data(), size_}; }
  size_t size() const { return size_; }
  bool operator==(const Key& other) const { return view() == other.view(); }
  std::strong_ordering operator<=>(const Key& other) const {
    return view().compare(other.view()) <=> 0;
  }

  template <std::integral T>
  Key& append(T integer) {  // big-endian; signed numbers must not be negative
    if constexpr (std::is_signed_v<T>) HR_CHECK(integer >= 0);
    HR_CHECK(size_ + sizeof(T) <= kCapacity);
    store_be(reinterpret_cast<std::byte*>(bytes_.data() + size_), integer);
    size_ = static_cast<uint8_t>(size_ + sizeof(T));
    return *this;
  }
  template <class Tag, class Rep>
  Key& append(Id<Tag, Rep> id) {
    return append(id.value());
  }

  // The first key after every key that starts with this one; after an empty prefix or one of 0xff
  // bytes only: 47 × 0xff, which is above every key that is made.
  Key after_prefix() const;

 private:
  std::array<char, kCapacity> bytes_{};
  uint8_t size_ = 0;
};

Key tenant_prefix(TenantId tenant);

// log
Key log_prefix(LogKind kind, const PartitionKey& partition);
Key log_key(LogKind kind, const PartitionKey& partition, Offset base_offset);
struct LogKeyParts {
  LogKind kind;
  PartitionKey partition;
  Offset base_offset;
};
std::optional<LogKeyParts> parse_log_key(std::string_view key);  // of a chunk or a batch

// Look-up rows (lookup_rows.h), as a kind of log: tenant, kind, topic, slice, partition, segment,
// bucket, base offset of the chunk. Rows of one bucket lie beside each other for a segment's
// chunks.
constexpr int kLookupSegmentBits = 20;  // a segment is a million offsets; persistent
Key lookup_prefix(const PartitionKey& partition, int64_t segment);
Key lookup_key(const PartitionKey& partition, uint8_t bucket, Offset chunk_base);
struct LookupKeyParts {
  PartitionKey partition;
  uint8_t bucket = 0;
  Offset chunk_base;
};
std::optional<LookupKeyParts> parse_lookup_key(std::string_view key);
std::string lookup_text(std::string_view key);  // of to_text(); empty if it is none

// offsets: tenant, topic, slice, group, lane, partition
Key offsets_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key offsets_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group);
Key offsets_key(const PartitionKey& partition, GroupId group, LaneId lane);
struct OffsetsKeyParts {
  PartitionKey partition;
  GroupId group;
  LaneId lane;
};
std::optional<OffsetsKeyParts> parse_offsets_key(std::string_view key);

// retry: tenant, topic, slice, partition, group, lane, due µs, offset, attempt
Key retry_prefix(TenantId tenant, TopicId topic, SliceId slice);  // of all its partitions
Key retry_prefix(const PartitionKey& partition, GroupId group);
Key retry_prefix(const PartitionKey& partition, GroupId group, LaneId lane);
Key retry_key(const PartitionKey& partition, GroupId group, LaneId lane, int64_t due_us,
              Offset offset, uint32_t attempt);
struct RetryKeyParts {
  PartitionKey partition;
  GroupId group;
  LaneId lane;
  int64_t due_us = 0;  // wall clock; INT64_MAX: never
  Offset offset;
  uint32_t attempt = 0;  // the next one
};
std::optional<RetryKeyParts> parse_retry_key(std::string_view key);

// dlq: tenant, topic, slice, group, kind, then
enum class DlqKind : uint8_t {
  letter = 1,  // sequence → the dead letter
  origin = 2,  // lane (0: others have none), partition, offset → its sequence
};
Key dlq_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key dlq_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group);
Key dlq_letter_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group, uint64_t sequence);
Key dlq_origin_key(const PartitionKey& partition, GroupId group, LaneId lane, Offset offset);
std::optional<uint64_t> parse_dlq_letter_key(std::string_view key);  // its sequence

// delayed: tenant, topic, slice, kind, then
enum class DelayedKind : uint8_t {
  entry = 1,   // partition, due µs, sequence → the event
  id = 2,      // hash of its id, partition, due µs, sequence → size of its entry
  totals = 3,  // partition → how many wait there
};
Key delayed_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key delayed_prefix(TenantId tenant, TopicId topic, SliceId slice, DelayedKind kind);
Key delayed_prefix(const PartitionKey& partition);  // its entries
Key delayed_id_prefix(TenantId tenant, TopicId topic, SliceId slice, const IdHash& id);
Key delayed_entry_key(const PartitionKey& partition, int64_t due_us, uint64_t sequence);
Key delayed_id_key(const PartitionKey& partition, const IdHash& id, int64_t due_us,
                   uint64_t sequence);
Key delayed_totals_key(const PartitionKey& partition);
struct DelayedKeyParts {
  DelayedKind kind = DelayedKind::entry;
  PartitionKey partition;
  IdHash id;              // of kind id
  int64_t due_us = 0;     // wall clock; not of totals
  uint64_t sequence = 0;  // likewise
};
std::optional<DelayedKeyParts> parse_delayed_key(std::string_view key);

// audit: tenant, shard, sequence
Key audit_prefix(TenantId tenant, ShardId shard);
Key audit_key(TenantId tenant, ShardId shard, uint64_t sequence);
struct AuditKeyParts {
  TenantId tenant;
  ShardId shard;
  uint64_t sequence = 0;
};
std::optional<AuditKeyParts> parse_audit_key(std::string_view key);

// rollup: tenant, topic, slice, slot (of five minutes since 1970), epoch
Key rollup_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key rollup_key(TenantId tenant, TopicId topic, SliceId slice, uint32_t slot, Epoch epoch);

// dedup: tenant, topic, slice, partition, append time µs, first offset of the batch
Key dedup_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key dedup_prefix(const PartitionKey& partition);
Key dedup_key(const PartitionKey& partition, int64_t append_time_us, Offset base_offset);
struct DedupKeyParts {
  PartitionKey partition;
  int64_t append_time_us = 0;
  Offset base_offset;
};
std::optional<DedupKeyParts> parse_dedup_key(std::string_view key);

// state
Key health_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key health_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group);
Key job_prefix(TenantId tenant, TopicId topic, SliceId slice);
Key job_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group);
Key job_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group, LaneId lane);
std::optional<LaneId> parse_job_key(std::string_view key);
Key state_prefix(TenantId tenant, StateKind kind);
Key state_prefix(StateKind kind, const PartitionKey& partition);
Key attempts_prefix(const PartitionKey& partition, GroupId group);
Key attempts_key(const PartitionKey& partition, GroupId group, Offset last, LaneId lane);
struct AttemptsKeyParts {
  PartitionKey partition;
  GroupId group;
  Offset last;
  LaneId lane;
};
std::optional<AttemptsKeyParts> parse_attempts_key(std::string_view key);
Key months_key(const PartitionKey& partition, Offset first_offset);
Key producer_key(const PartitionKey& partition, ProducerId producer);
Key log_start_key(const PartitionKey& partition);
inline Key lookup_span_key(const PartitionKey& partition) {
  return state_prefix(StateKind::lookup_span, partition);
}
inline Key month_import_key(const PartitionKey& partition) {
  return state_prefix(StateKind::month_import, partition);
}
Key epoch_start_key(const PartitionKey& partition, Epoch epoch);
Key catalog_key(TenantId tenant, uint8_t entity, uint32_t id);
inline Key applied_key(ShardId shard) {
  return state_prefix(kNodeTenant, StateKind::applied).append(shard);
}
inline Key epoch_key(ShardId shard) {
  return state_prefix(kNodeTenant, StateKind::epoch).append(shard);
}
inline Key id_block_key(uint8_t id_kind) {
  return state_prefix(kNodeTenant, StateKind::id_block).append(id_kind);
}
inline Key key_use_key(TenantId tenant, uint64_t key_id) {
  return state_prefix(tenant, StateKind::key_use).append(key_id);
}
Key audit_head_prefix(ShardId shard);
Key audit_head_key(ShardId shard, TenantId tenant);
std::optional<TenantId> parse_audit_head_key(std::string_view key);  // whose it is
// The trailing 8-byte integer of months_key and producer_key.
std::optional<int64_t> parse_trailing_i64(std::string_view key);

// For logs, goldens and doctor: "log batch t1/topic2/s0/p3@42". Unknown keys print as hex.
std::string to_text(Table table, std::string_view key);

}  // namespace headrace::storage

#include "storage/keys.h"

#include <algorithm>

#include "metrics/base64.h"

namespace headrace::storage {
namespace {

// Reads fixed-width integers off the front of a key; `ok` turns false when it is too short.
struct KeyReader {
  std::string_view rest;
  bool ok = true;

  template <class T>
  T take() {
    if (rest.size() < sizeof(T)) {
      ok = false;
      return T{};
    }
    const T value = load_be<T>(reinterpret_cast<const std::byte*>(rest.data()));
    rest.remove_prefix(sizeof(T));
    return value;
  }
  template <class IdType>
  IdType id() {
    return IdType(take<typename IdType::rep>());
  }
  bool finished() const { return ok && rest.empty(); }
};

Key& append_partition(Key& key, const PartitionKey& partition) {
  return key.append(partition.topic).append(partition.slice).append(partition.partition);
}

std::string text_of(const PartitionKey& partition) {
  return "t" + std::to_string(partition.tenant.value()) + "/topic" +
         std::to_string(partition.topic.value()) + "/s" + std::to_string(partition.slice.value()) +
         "/p" + std::to_string(partition.partition.value());
}

std::string_view to_string(StateKind kind) {
  switch (kind) {
    case StateKind::months:
      return "months";
    case StateKind::producers:
      return "producers";
    case StateKind::log_start:
      return "log_start";
    case StateKind::catalog:
      return "catalog";
    case StateKind::applied:
      return "applied";
    case StateKind::audit_head:
      return "audit_head";
    case StateKind::key_use:
      return "key_use";
    case StateKind::lookup_span:
      return "lookup_span";
    case StateKind::epoch:
      return "epoch";
    case StateKind::epoch_start:
      return "epoch_start";
    case StateKind::id_block:
      return "id_block";
    case StateKind::job:
      return "job";
    case StateKind::health:
      return "health";
  }
  return {};
}

PartitionKey take_partition(KeyReader& reader, TenantId tenant) {
  PartitionKey partition{.tenant = tenant};
  partition.topic = reader.id<TopicId>();
  partition.slice = reader.id<SliceId>();
  partition.partition = reader.id<PartitionId>();
  return partition;
}

// topic, slice, group
std::string group_text(KeyReader& reader, TenantId tenant) {
  std::string text =
      "t" + std::to_string(tenant.value()) + "/topic" + std::to_string(reader.take<uint32_t>());
  text += "/s" + std::to_string(reader.take<uint16_t>());
  return text + " group " + std::to_string(reader.take<uint32_t>());
}

// Empty if the key is not one of ours.
std::string state_text(std::string_view key) {
  KeyReader reader{key};
  const auto tenant = reader.id<TenantId>();
  const auto kind = static_cast<StateKind>(reader.take<uint8_t>());
  std::string text(to_string(kind));
  if (!reader.ok || text.empty()) return {};
  switch (kind) {
    case StateKind::months:
    case StateKind::producers:
    case StateKind::log_start:
    case StateKind::lookup_span:
    case StateKind::epoch_start: {
      text += " " + text_of(take_partition(reader, tenant));
      if (kind == StateKind::months) text += "@" + std::to_string(reader.take<int64_t>());
      if (kind == StateKind::producers)
        text += " producer " + std::to_string(reader.take<int64_t>());
      if (kind == StateKind::epoch_start)
        text += " epoch " + std::to_string(reader.take<uint32_t>());
      break;
    }
    case StateKind::catalog: {
      text += " t" + std::to_string(tenant.value()) + " entity " +
              std::to_string(reader.take<uint8_t>());
      text += " id " + std::to_string(reader.take<uint32_t>());
      break;
    }
    case StateKind::applied:
    case StateKind::epoch:
      text += " shard " + std::to_string(reader.take<uint16_t>());
      break;
    case StateKind::id_block:
      text += " kind " + std::to_string(reader.take<uint8_t>());
      break;
    case StateKind::audit_head:
      text += " shard " + std::to_string(reader.take<uint16_t>());
      text += " t" + std::to_string(reader.take<uint32_t>());
      break;
    case StateKind::key_use:
      text +=
          " t" + std::to_string(tenant.value()) + " key " + std::to_string(reader.take<uint64_t>());
      break;
    case StateKind::health:
      text += " " + group_text(reader, tenant);
      break;
    case StateKind::job:
      text += " " + group_text(reader, tenant);
      text += " lane " + std::to_string(reader.take<uint32_t>());
      break;
  }
  return reader.finished() ? text : std::string();
}

std::string dlq_text(std::string_view key) {
  KeyReader reader{key};
  const auto tenant = reader.id<TenantId>();
  std::string text = group_text(reader, tenant);
  const auto kind = static_cast<DlqKind>(reader.take<uint8_t>());
  if (kind == DlqKind::letter) {
    text += " letter " + std::to_string(reader.take<uint64_t>());
  } else {
    text += " origin lane " + std::to_string(reader.take<uint32_t>());
    text += " p" + std::to_string(reader.take<uint32_t>());
    text += "@" + std::to_string(reader.take<int64_t>());
  }
  return reader.finished() ? text : std::string();
}

std::string rollup_text(std::string_view key) {
  KeyReader reader{key};
  std::string text = "t" + std::to_string(reader.take<uint32_t>());
  text += "/topic" + std::to_string(reader.take<uint32_t>());
  text += "/s" + std::to_string(reader.take<uint16_t>());
  text += " slot " + std::to_string(reader.take<uint32_t>());
  text += " epoch " + std::to_string(reader.take<uint32_t>());
  return reader.finished() ? text : std::string();
}

std::string delayed_text(const DelayedKeyParts& parts) {
  const std::string where = text_of(parts.partition);
  if (parts.kind == DelayedKind::totals) return "totals " + where;
  // The hash itself says nothing to anybody.
  return (parts.kind == DelayedKind::id ? "id " : "entry ") + where + " due " +
         std::to_string(parts.due_us) + " " + std::to_string(parts.sequence >> 40) + "." +
         std::to_string(parts.sequence & ((uint64_t{1} << 40) - 1));
}

}  // namespace

std::string_view to_string(Table table) {
  switch (table) {
    case Table::log:
      return "log";
    case Table::offsets:
      return "offsets";
    case Table::retry:
      return "retry";
    case Table::delayed:
      return "delayed";
    case Table::dlq:
      return "dlq";
    case Table::audit:
      return "audit";
    case Table::rollup:
      return "rollup";
    case Table::dedup:
      return "dedup";
    case Table::state:
      return "state";
  }
  return "invalid";
}

Key::Key(std::string_view bytes) {
  HR_CHECK(bytes.size() <= kCapacity);
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  size_ = static_cast<uint8_t>(bytes.size());
}

Key Key::after_prefix() const {
  Key next = *this;
  while (next.size_ > 0 && static_cast<unsigned char>(next.bytes_[next.size_ - 1u]) == 0xff) {
    next.bytes_[--next.size_] = 0;
  }
  if (next.size_ == 0) {
    next.bytes_.fill(static_cast<char>(0xff));
    next.size_ = kCapacity;
    return next;
  }
  ++next.bytes_[next.size_ - 1u];
  return next;
}

Key tenant_prefix(TenantId tenant) {
  return Key().append(tenant);
}

Key log_prefix(LogKind kind, const PartitionKey& partition) {
  Key key = tenant_prefix(partition.tenant).append(static_cast<uint8_t>(kind));
  return append_partition(key, partition);
}

Key log_key(LogKind kind, const PartitionKey& partition, Offset base_offset) {
  return log_prefix(kind, partition).append(base_offset);
}

std::optional<LogKeyParts> parse_log_key(std::string_view key) {
  KeyReader reader{key};
  const auto tenant = reader.id<TenantId>();
  const auto kind = static_cast<LogKind>(reader.take<uint8_t>());
  const LogKeyParts parts{kind, take_partition(reader, tenant), reader.id<Offset>()};
  if (!reader.finished() || parts.base_offset.value() < 0) return std::nullopt;
  if (kind != LogKind::chunk && kind != LogKind::batch) return std::nullopt;
  return parts;
}

Key offsets_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key offsets_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group) {
  return offsets_prefix(tenant, topic, slice).append(group);
}

Key offsets_key(const PartitionKey& partition, GroupId group, LaneId lane) {
  return offsets_prefix(partition.tenant, partition.topic, partition.slice, group)
      .append(lane)
      .append(partition.partition);
}

std::optional<OffsetsKeyParts> parse_offsets_key(std::string_view key) {
  KeyReader reader{key};
  OffsetsKeyParts parts;
  parts.partition.tenant = reader.id<TenantId>();
  parts.partition.topic = reader.id<TopicId>();
  parts.partition.slice = reader.id<SliceId>();
  parts.group = reader.id<GroupId>();
  parts.lane = reader.id<LaneId>();
  parts.partition.partition = reader.id<PartitionId>();
  if (!reader.finished()) return std::nullopt;
  return parts;
}

Key retry_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key retry_prefix(const PartitionKey& partition, GroupId group) {
  return retry_prefix(partition.tenant, partition.topic, partition.slice)
      .append(partition.partition)
      .append(group);
}

Key retry_prefix(const PartitionKey& partition, GroupId group, LaneId lane) {
  return retry_prefix(partition, group).append(lane);
}

Key retry_key(const PartitionKey& partition, GroupId group, LaneId lane, int64_t due_us,
              Offset offset, uint32_t attempt) {
  return retry_prefix(partition, group, lane).append(due_us).append(offset).append(attempt);
}

std::optional<RetryKeyParts> parse_retry_key(std::string_view key) {
  KeyReader reader{key};
  RetryKeyParts parts;
  const auto tenant = reader.id<TenantId>();
  parts.partition = take_partition(reader, tenant);
  parts.group = reader.id<GroupId>();
  parts.lane = reader.id<LaneId>();
  parts.due_us = reader.take<int64_t>();
  parts.offset = reader.id<Offset>();
  parts.attempt = reader.take<uint32_t>();
  if (!reader.finished() || parts.due_us < 0 || parts.offset.value() < 0) return std::nullopt;
  return parts;
}

Key dlq_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key dlq_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group) {
  return dlq_prefix(tenant, topic, slice).append(group);
}

Key dlq_letter_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group,
                   uint64_t sequence) {
  return dlq_prefix(tenant, topic, slice, group)
      .append(static_cast<uint8_t>(DlqKind::letter))
      .append(sequence);
}

Key dlq_origin_key(const PartitionKey& partition, GroupId group, LaneId lane, Offset offset) {
  return dlq_prefix(partition.tenant, partition.topic, partition.slice, group)
      .append(static_cast<uint8_t>(DlqKind::origin))
      .append(lane)
      .append(partition.partition)
      .append(offset);
}

std::optional<uint64_t> parse_dlq_letter_key(std::string_view key) {
  KeyReader reader{key};
  reader.id<TenantId>();
  reader.id<TopicId>();
  reader.id<SliceId>();
  reader.id<GroupId>();
  const auto kind = static_cast<DlqKind>(reader.take<uint8_t>());
  const auto sequence = reader.take<uint64_t>();
  if (!reader.finished() || kind != DlqKind::letter) return std::nullopt;
  return sequence;
}

Key delayed_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key delayed_prefix(TenantId tenant, TopicId topic, SliceId slice, DelayedKind kind) {
  return delayed_prefix(tenant, topic, slice).append(static_cast<uint8_t>(kind));
}

Key delayed_prefix(const PartitionKey& partition) {
  return delayed_prefix(partition.tenant, partition.topic, partition.slice, DelayedKind::entry)
      .append(partition.partition);
}

Key delayed_id_prefix(TenantId tenant, TopicId topic, SliceId slice, const IdHash& id) {
  return delayed_prefix(tenant, topic, slice, DelayedKind::id).append(id.high).append(id.low);
}

Key delayed_entry_key(const PartitionKey& partition, int64_t due_us, uint64_t sequence) {
  return delayed_prefix(partition).append(due_us).append(sequence);
}

Key delayed_id_key(const PartitionKey& partition, const IdHash& id, int64_t due_us,
                   uint64_t sequence) {
  return delayed_id_prefix(partition.tenant, partition.topic, partition.slice, id)
      .append(partition.partition)
      .append(due_us)
      .append(sequence);
}

Key delayed_totals_key(const PartitionKey& partition) {
  return delayed_prefix(partition.tenant, partition.topic, partition.slice, DelayedKind::totals)
      .append(partition.partition);
}

std::optional<DelayedKeyParts> parse_delayed_key(std::string_view key) {
  KeyReader reader{key};
  DelayedKeyParts parts;
  parts.partition.tenant = reader.id<TenantId>();
  parts.partition.topic = reader.id<TopicId>();
  parts.partition.slice = reader.id<SliceId>();
  parts.kind = static_cast<DelayedKind>(reader.take<uint8_t>());
  if (parts.kind == DelayedKind::id) {
    parts.id.high = reader.take<uint64_t>();
    parts.id.low = reader.take<uint64_t>();
  } else if (parts.kind != DelayedKind::entry && parts.kind != DelayedKind::totals) {
    return std::nullopt;
  }
  parts.partition.partition = reader.id<PartitionId>();
  if (parts.kind != DelayedKind::totals) {
    parts.due_us = reader.take<int64_t>();
    parts.sequence = reader.take<uint64_t>();
  }
  if (!reader.finished() || parts.due_us < 0) return std::nullopt;
  return parts;
}

Key dedup_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key dedup_prefix(const PartitionKey& partition) {
  return dedup_prefix(partition.tenant, partition.topic, partition.slice)
      .append(partition.partition);
}

Key dedup_key(const PartitionKey& partition, int64_t append_time_us, Offset base_offset) {
  return dedup_prefix(partition).append(append_time_us).append(base_offset);
}

std::optional<DedupKeyParts> parse_dedup_key(std::string_view key) {
  KeyReader reader{key};
  DedupKeyParts parts;
  const auto tenant = reader.id<TenantId>();
  parts.partition = take_partition(reader, tenant);
  parts.append_time_us = reader.take<int64_t>();
  parts.base_offset = reader.id<Offset>();
  if (!reader.finished() || parts.append_time_us < 0 || parts.base_offset.value() < 0) {
    return std::nullopt;
  }
  return parts;
}

Key audit_prefix(TenantId tenant, ShardId shard) {
  return tenant_prefix(tenant).append(shard);
}

Key audit_key(TenantId tenant, ShardId shard, uint64_t sequence) {
  return audit_prefix(tenant, shard).append(sequence);
}

std::optional<AuditKeyParts> parse_audit_key(std::string_view key) {
  KeyReader reader{key};
  AuditKeyParts parts;
  parts.tenant = reader.id<TenantId>();
  parts.shard = reader.id<ShardId>();
  parts.sequence = reader.take<uint64_t>();
  if (!reader.finished()) return std::nullopt;
  return parts;
}

Key rollup_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return tenant_prefix(tenant).append(topic).append(slice);
}

Key rollup_key(TenantId tenant, TopicId topic, SliceId slice, uint32_t slot, Epoch epoch) {
  return rollup_prefix(tenant, topic, slice).append(slot).append(epoch);
}

Key health_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return state_prefix(tenant, StateKind::health).append(topic).append(slice);
}

Key health_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group) {
  return health_prefix(tenant, topic, slice).append(group);
}

Key job_prefix(TenantId tenant, TopicId topic, SliceId slice) {
  return state_prefix(tenant, StateKind::job).append(topic).append(slice);
}

Key job_prefix(TenantId tenant, TopicId topic, SliceId slice, GroupId group) {
  return job_prefix(tenant, topic, slice).append(group);
}

Key job_key(TenantId tenant, TopicId topic, SliceId slice, GroupId group, LaneId lane) {
  return job_prefix(tenant, topic, slice, group).append(lane);
}

std::optional<LaneId> parse_job_key(std::string_view key) {
  KeyReader reader{key};
  reader.id<TenantId>();
  const auto kind = reader.take<uint8_t>();
  reader.id<TopicId>();
  reader.id<SliceId>();
  reader.id<GroupId>();
  const auto lane = reader.id<LaneId>();
  if (!reader.finished() || kind != static_cast<uint8_t>(StateKind::job)) return std::nullopt;
  return lane;
}

Key state_prefix(TenantId tenant, StateKind kind) {
  return tenant_prefix(tenant).append(static_cast<uint8_t>(kind));
}

Key state_prefix(StateKind kind, const PartitionKey& partition) {
  Key key = state_prefix(partition.tenant, kind);
  return append_partition(key, partition);
}

Key months_key(const PartitionKey& partition, Offset first_offset) {
  return state_prefix(StateKind::months, partition).append(first_offset);
}

Key producer_key(const PartitionKey& partition, ProducerId producer) {
  return state_prefix(StateKind::producers, partition).append(producer);
}

Key log_start_key(const PartitionKey& partition) {
  return state_prefix(StateKind::log_start, partition);
}

Key epoch_start_key(const PartitionKey& partition, Epoch epoch) {
  return state_prefix(StateKind::epoch_start, partition).append(epoch);
}

Key catalog_key(TenantId tenant, uint8_t entity, uint32_t id) {
  return state_prefix(tenant, StateKind::catalog).append(entity).append(id);
}

Key audit_head_prefix(ShardId shard) {
  return state_prefix(kNodeTenant, StateKind::audit_head).append(shard);
}

Key audit_head_key(ShardId shard, TenantId tenant) {
  return audit_head_prefix(shard).append(tenant);
}

std::optional<TenantId> parse_audit_head_key(std::string_view key) {
  KeyReader reader{key};
  reader.id<TenantId>();
  const auto kind = reader.take<uint8_t>();
  reader.id<ShardId>();
  const auto tenant = reader.id<TenantId>();
  if (!reader.finished() || kind != static_cast<uint8_t>(StateKind::audit_head)) {
    return std::nullopt;
  }
  return tenant;
}

std::optional<int64_t> parse_trailing_i64(std::string_view key) {
  constexpr size_t kPrefixSize = 4 + 1 + 4 + 2 + 4;
  if (key.size() != kPrefixSize + sizeof(int64_t)) return std::nullopt;
  const auto value = load_be<int64_t>(reinterpret_cast<const std::byte*>(key.data()) + kPrefixSize);
  return value < 0 ? std::nullopt : std::optional(value);
}

std::string to_text(Table table, std::string_view key) {
  std::string text(to_string(table));
  if (table == Table::log) {
    if (const auto parts = parse_log_key(key)) {
      return text + (parts->kind == LogKind::chunk ? " chunk " : " batch ") +
             text_of(parts->partition) + "@" + std::to_string(parts->base_offset.value());
    }
    const std::string lookup = lookup_text(key);
    if (!lookup.empty()) return text + " " + lookup;
  } else if (table == Table::offsets) {
    if (const auto parts = parse_offsets_key(key)) {
      return text + " " + text_of(parts->partition) + " group " +
             std::to_string(parts->group.value()) + " lane " + std::to_string(parts->lane.value());
    }
  } else if (table == Table::retry) {
    if (const auto parts = parse_retry_key(key)) {
      return text + " " + text_of(parts->partition) + "@" + std::to_string(parts->offset.value()) +
             " group " + std::to_string(parts->group.value()) + " lane " +
             std::to_string(parts->lane.value()) + " attempt " + std::to_string(parts->attempt) +
             " due " + std::to_string(parts->due_us);
    }
  } else if (table == Table::delayed) {
    if (const auto parts = parse_delayed_key(key)) return text + " " + delayed_text(*parts);
  } else if (table == Table::dedup) {
    if (const auto parts = parse_dedup_key(key)) {
      return text + " " + text_of(parts->partition) + "@" +
             std::to_string(parts->base_offset.value()) + " appended " +
             std::to_string(parts->append_time_us);
    }
  } else if (table == Table::audit) {
    if (const auto parts = parse_audit_key(key)) {
      return text + " t" + std::to_string(parts->tenant.value()) + " shard " +
             std::to_string(parts->shard.value()) + " " + std::to_string(parts->sequence);
    }
  } else if (table == Table::rollup) {
    const std::string known = rollup_text(key);
    if (!known.empty()) return text + " " + known;
  } else if (table == Table::dlq) {
    const std::string known = dlq_text(key);
    if (!known.empty()) return text + " " + known;
  } else if (table == Table::state) {
    const std::string known = state_text(key);
    if (!known.empty()) return text + " " + known;
  }
  return text + " " + "0x" + encode_base16(key);
}

}  // namespace headrace::storage

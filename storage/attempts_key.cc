// Keys of the rows that say how events were acked (keys.h).
#include "storage/byte_reader.h"
#include "storage/keys.h"

namespace headrace::storage {

Key attempts_prefix(const PartitionKey& partition, GroupId group) {
  return state_prefix(StateKind::attempts, partition).append(group);
}

Key attempts_key(const PartitionKey& partition, GroupId group, Offset last, LaneId lane) {
  return attempts_prefix(partition, group).append(last).append(lane);
}

std::optional<AttemptsKeyParts> parse_attempts_key(std::string_view key) {
  ByteReader reader(key);
  AttemptsKeyParts parts;
  parts.partition.tenant = TenantId(reader.take<uint32_t>());
  const auto kind = reader.take<uint8_t>();
  parts.partition.topic = TopicId(reader.take<uint32_t>());
  parts.partition.slice = SliceId(reader.take<uint16_t>());
  parts.partition.partition = PartitionId(reader.take<uint32_t>());
  parts.group = GroupId(reader.take<uint32_t>());
  parts.last = Offset(reader.take<int64_t>());
  parts.lane = LaneId(reader.take<uint32_t>());
  if (!reader.finished() || kind != static_cast<uint8_t>(StateKind::attempts)) return std::nullopt;
  return parts;
}

}  // namespace headrace::storage

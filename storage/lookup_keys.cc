// Keys of look-up rows (lookup_rows.h).
#include "storage/keys.h"

namespace headrace::storage {

Key lookup_prefix(const PartitionKey& partition, int64_t segment) {
  return log_prefix(LogKind::lookup, partition).append(segment);
}

Key lookup_key(const PartitionKey& partition, uint8_t bucket, Offset chunk_base) {
  return lookup_prefix(partition, chunk_base.value() >> kLookupSegmentBits)
      .append(bucket)
      .append(chunk_base);
}

std::optional<LookupKeyParts> parse_lookup_key(std::string_view key) {
  constexpr size_t kSize = 4 + 1 + 4 + 2 + 4 + 8 + 1 + 8;
  if (key.size() != kSize) return std::nullopt;
  const auto* at = reinterpret_cast<const std::byte*>(key.data());
  const LookupKeyParts parts{
      {TenantId(load_be<uint32_t>(at)), TopicId(load_be<uint32_t>(at + 5)),
       SliceId(load_be<uint16_t>(at + 9)), PartitionId(load_be<uint32_t>(at + 11))},
      load_be<uint8_t>(at + 23),
      Offset(load_be<int64_t>(at + 24))};
  const bool right_kind = load_be<uint8_t>(at + 4) == static_cast<uint8_t>(LogKind::lookup);
  const int64_t segment = parts.chunk_base.value() >> kLookupSegmentBits;
  if (!right_kind || parts.chunk_base.value() < 0 || load_be<int64_t>(at + 15) != segment) {
    return std::nullopt;
  }
  return parts;
}

std::string lookup_text(std::string_view key) {
  const auto parts = parse_lookup_key(key);
  if (!parts) return {};
  // As of a batch there.
  const std::string batch =
      to_text(Table::log, log_key(LogKind::batch, parts->partition, parts->chunk_base).view());
  return "lookup" + batch.substr(std::string_view("log batch").size()) + " bucket " +
         std::to_string(parts->bucket);
}

}  // namespace headrace::storage

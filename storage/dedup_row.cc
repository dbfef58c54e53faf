#include "storage/dedup_row.h"

#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kDedupRowVersion = 1;
constexpr size_t kEntrySize = 8 + 8 + 4;

}  // namespace

std::string DedupRow::encode() const {
  std::string out;
  append_be(&out, kDedupRowVersion);
  append_be(&out, epoch.value());
  append_be(&out, static_cast<uint32_t>(entries.size()));
  for (const Entry& entry : entries) {
    append_be(&out, entry.id.high);
    append_be(&out, entry.id.low);
    append_be(&out, entry.offset_delta);
  }
  return out;
}

std::optional<DedupRow> DedupRow::decode(std::string_view from) {
  ByteReader reader(from);
  DedupRow row;
  if (reader.take<uint8_t>() != kDedupRowVersion) return std::nullopt;
  row.epoch = Epoch(reader.take<uint32_t>());
  const auto count = reader.take<uint32_t>();
  if (!reader.ok() || reader.remaining() != uint64_t{count} * kEntrySize) return std::nullopt;
  row.entries.resize(count);
  for (Entry& entry : row.entries) {
    entry.id.high = reader.take<uint64_t>();
    entry.id.low = reader.take<uint64_t>();
    entry.offset_delta = reader.take<uint32_t>();
  }
  return reader.finished() ? std::optional(std::move(row)) : std::nullopt;
}

}  // namespace headrace::storage

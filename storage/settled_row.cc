#include "storage/settled_row.h"

#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {
constexpr uint8_t kAcked = 2;                       // version
constexpr uint64_t kRangesMax = 1u << 20;           // far above what a window can hold
constexpr int64_t kDistanceMax = int64_t{1} << 40;  // keeps sums from overflowing
}  // namespace

std::string SettledRow::encode() const {
  std::string out;
  append_be(&out, kAcked);
  append_be(&out, floor.value());
  append_uvarint(&out, parked);
  append_uvarint(&out, ranges.size());
  int64_t at = floor.value();
  for (const auto& [first, end] : ranges) {
    append_uvarint(&out, static_cast<uint64_t>(first.value() - at));
    append_uvarint(&out, static_cast<uint64_t>(end - first));
    at = end.value();
  }
  return out;
}

std::optional<SettledRow> SettledRow::decode(std::string_view from) {
  ByteReader reader(from);
  SettledRow row;
  if (reader.take<uint8_t>() != kAcked) return std::nullopt;
  row.floor = Offset(reader.take<int64_t>());
  row.parked = reader.uvarint();
  const uint64_t count = reader.uvarint();
  if (!reader.ok() || row.floor.value() < 0 || count > kRangesMax) return std::nullopt;
  int64_t at = row.floor.value();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t gap = reader.uvarint();
    const uint64_t size = reader.uvarint();
    if (!reader.ok() || gap == 0 || gap > kDistanceMax || size == 0 || size > kDistanceMax) {
      return std::nullopt;
    }
    const int64_t first = at + static_cast<int64_t>(gap);
    at = first + static_cast<int64_t>(size);
    row.ranges.emplace_back(Offset(first), Offset(at));
  }
  return reader.finished() ? std::optional(row) : std::nullopt;
}

}  // namespace headrace::storage

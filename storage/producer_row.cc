#include "storage/producer_row.h"

#include <algorithm>

#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {
constexpr uint8_t kProducerRowVersion = 1;
}

void ProducerRow::push(const Range& range) {
  if (range_count == kMaxRanges) {
    std::move(ranges.begin() + 1, ranges.end(), ranges.begin());
    --range_count;
  }
  ranges[range_count++] = range;
}

const ProducerRow::Range* ProducerRow::find(int32_t first_sequence, int32_t last_sequence) const {
  for (size_t i = 0; i < range_count; ++i) {
    const Range& range = ranges[i];
    if (range.first_sequence == first_sequence && range.last_sequence == last_sequence)
      return &range;
  }
  return nullptr;
}

std::string ProducerRow::encode() const {
  std::string out;
  append_be(&out, kProducerRowVersion);
  append_be(&out, epoch);
  append_be(&out, last_used_us);
  append_be(&out, range_count);
  for (size_t i = 0; i < range_count; ++i) {
    append_be(&out, ranges[i].first_sequence);
    append_be(&out, ranges[i].last_sequence);
    append_be(&out, ranges[i].base_offset.value());
    append_be(&out, ranges[i].append_time_us);
    append_be(&out, ranges[i].shard_epoch.value());
  }
  return out;
}

std::optional<ProducerRow> ProducerRow::decode(std::string_view from) {
  ByteReader reader(from);
  ProducerRow row;
  if (reader.take<uint8_t>() != kProducerRowVersion) return std::nullopt;
  row.epoch = reader.take<int16_t>();
  row.last_used_us = reader.take<int64_t>();
  row.range_count = reader.take<uint8_t>();
  if (row.range_count > kMaxRanges) return std::nullopt;
  for (size_t i = 0; i < row.range_count; ++i) {
    Range& range = row.ranges[i];
    range.first_sequence = reader.take<int32_t>();
    range.last_sequence = reader.take<int32_t>();
    range.base_offset = Offset(reader.take<int64_t>());
    range.append_time_us = reader.take<int64_t>();
    range.shard_epoch = Epoch(reader.take<uint32_t>());
    if (range.first_sequence < 0 || range.last_sequence < 0) return std::nullopt;
  }
  return reader.finished() && row.epoch >= 0 ? std::optional(row) : std::nullopt;
}

}  // namespace headrace::storage

#include "storage/chunk.h"

#include <algorithm>
#include <utility>

#include "metrics/check.h"
#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kChunkRowVersion = 1;
constexpr uint8_t kTypesUnknown = 1;
constexpr uint8_t kLookupsUnknown = 2;

void append_text(std::string* out, std::string_view text) {
  append_uvarint(out, text.size());
  out->append(text);
}

// Counts and sizes are u32 in memory; what is larger is damage.
uint32_t take_u32(ByteReader& reader) {
  const uint64_t value = reader.uvarint();
  if (value > UINT32_MAX) reader.fail();
  return static_cast<uint32_t>(value);
}

void take_batches(ByteReader& reader, ChunkRow* row) {
  const uint64_t count = reader.uvarint();
  if (count == 0 || count > ChunkRow::kMaxBatches) return reader.fail();
  row->batches.resize(count);
  int64_t offset_delta = 0;
  uint64_t append_delta_us = 0;
  for (ChunkRow::Batch& batch : row->batches) {
    batch.offset_delta = offset_delta;
    batch.size = take_u32(reader);
    batch.record_count = take_u32(reader);
    const uint64_t step = reader.uvarint();
    append_delta_us += step;
    if (batch.record_count == 0 || step > INT64_MAX || append_delta_us > INT64_MAX) {
      return reader.fail();
    }
    batch.append_delta_us = static_cast<int64_t>(append_delta_us);
    offset_delta += batch.record_count;
    row->total_bytes += batch.size;
  }
  row->last_offset_delta = offset_delta - 1;
  if (row->batches.front().append_delta_us != 0) return reader.fail();
  if (row->first_append_us > INT64_MAX - row->batches.back().append_delta_us) return reader.fail();
  row->last_append_us = row->first_append_us + row->batches.back().append_delta_us;
}

void take_types(ByteReader& reader, ChunkRow* row) {
  const uint64_t count = reader.uvarint();
  if (count > ChunkRow::kMaxTypes || (row->types_unknown && count != 0)) return reader.fail();
  row->types.resize(count);
  for (Summary::TypeCount& type : row->types) {
    type.type = reader.bytes(reader.uvarint());
    type.count = take_u32(reader);
  }
}

}  // namespace

Bloom::Bloom(const std::vector<uint64_t>& hashes) {
  const size_t words = (hashes.size() * kBitsPerEntry + 63) / 64;
  bits_.assign(std::min(words * 8, kMaxBytes), '\0');
  for (const uint64_t hash : hashes) {
    for (uint32_t probe = 0; probe < kProbes; ++probe) {
      const uint32_t bit = position(hash, probe);
      bits_[bit / 8] = static_cast<char>(bits_[bit / 8] | 1 << (bit % 8));
    }
  }
}

std::optional<Bloom> Bloom::from_bytes(std::string_view bytes) {
  if (bytes.size() % 8 != 0 || bytes.size() > kMaxBytes) return std::nullopt;
  Bloom bloom;
  bloom.bits_ = bytes;
  return bloom;
}

// Double hashing with the two halves, scaled to the size by a multiplication.
uint32_t Bloom::position(uint64_t hash, uint32_t probe) const {
  const auto step = static_cast<uint32_t>(hash) | 1;
  const uint32_t mixed = static_cast<uint32_t>(hash >> 32) + probe * step;
  return static_cast<uint32_t>(uint64_t{mixed} * (bits_.size() * 8) >> 32);
}

bool Bloom::may_contain(uint64_t hash) const {
  if (bits_.empty()) return false;
  for (uint32_t probe = 0; probe < kProbes; ++probe) {
    const uint32_t bit = position(hash, probe);
    if ((bits_[bit / 8] >> (bit % 8) & 1) == 0) return false;
  }
  return true;
}

std::string ChunkRow::encode() const {
  HR_CHECK(!batches.empty() && batches.size() <= kMaxBatches && types.size() <= kMaxTypes);
  std::string out;
  append_be(&out, kChunkRowVersion);
  append_be(&out, static_cast<uint8_t>((types_unknown ? kTypesUnknown : 0) |
                                       (lookups_unknown ? kLookupsUnknown : 0)));
  append_be(&out, first_append_us);
  append_be(&out, max_timestamp_ms);
  append_uvarint(&out, batches.size());
  int64_t last_append = 0;
  for (const Batch& batch : batches) {
    append_uvarint(&out, batch.size);
    append_uvarint(&out, batch.record_count);
    append_uvarint(&out, static_cast<uint64_t>(batch.append_delta_us - last_append));
    last_append = batch.append_delta_us;
  }
  append_uvarint(&out, types.size());
  for (const Summary::TypeCount& type : types) {
    append_text(&out, type.type);
    append_uvarint(&out, type.count);
  }
  append_text(&out, bloom.bytes());
  return out;
}

std::optional<ChunkRow> ChunkRow::decode(std::string_view from) {
  ByteReader reader(from);
  ChunkRow row;
  if (reader.take<uint8_t>() != kChunkRowVersion) return std::nullopt;
  const auto flags = reader.take<uint8_t>();
  if (flags > (kTypesUnknown | kLookupsUnknown)) return std::nullopt;
  row.types_unknown = (flags & kTypesUnknown) != 0;
  row.lookups_unknown = (flags & kLookupsUnknown) != 0;
  row.first_append_us = reader.take<int64_t>();
  row.max_timestamp_ms = reader.take<int64_t>();
  if (!reader.ok()) return std::nullopt;
  take_batches(reader, &row);
  if (!reader.ok()) return std::nullopt;
  take_types(reader, &row);
  const auto bloom = Bloom::from_bytes(reader.bytes(reader.uvarint()));
  if (!reader.finished() || !bloom) return std::nullopt;
  if (row.lookups_unknown && !bloom->bytes().empty()) return std::nullopt;
  row.bloom = *bloom;
  return row;
}

void ChunkBuilder::add_types(const Summary& summary) {
  if (summary.types_unknown) row_.types_unknown = true;
  if (row_.types_unknown) return row_.types.clear();
  for (const Summary::TypeCount& type : summary.types) {
    if (last_type_ >= row_.types.size() || row_.types[last_type_].type != type.type) {
      for (last_type_ = 0; last_type_ < row_.types.size(); ++last_type_) {
        if (row_.types[last_type_].type == type.type) break;
      }
    }
    if (last_type_ == ChunkRow::kMaxTypes) {
      row_.types_unknown = true;
      return row_.types.clear();
    }
    if (last_type_ == row_.types.size()) row_.types.push_back({type.type, 0});
    uint32_t& count = row_.types[last_type_].count;  // a stranger's number: stops at the top
    count += std::min(type.count, UINT32_MAX - count);
  }
}

void ChunkBuilder::add_lookups(const Summary& summary) {
  if (summary.lookups_unknown) row_.lookups_unknown = true;
  if (row_.lookups_unknown) return hashes_.clear();
  for (const uint64_t hash : summary.lookups) {
    const uint64_t before = std::exchange(recent_[hash % recent_.size()], hash);
    if (before != hash || hash == 0) hashes_.push_back(hash);  // 0 marks a free slot
  }
  if (hashes_.size() > Summary::kMaxLookups) {
    row_.lookups_unknown = true;
    hashes_.clear();
  }
}

void ChunkBuilder::add(const BatchHeader& header, int64_t append_time_us, const Summary& summary) {
  HR_CHECK(row_.batches.size() < ChunkRow::kMaxBatches && header.record_count > 0);
  if (empty()) {
    base_offset_ = Offset(header.base_offset);
    row_.first_append_us = append_time_us;
    row_.max_timestamp_ms = header.max_timestamp_ms;
    row_.last_offset_delta = -1;
  }
  HR_CHECK(Offset(header.base_offset) == next_offset());
  HR_CHECK(row_.batches.empty() || append_time_us >= row_.last_append_us);
  row_.batches.push_back({row_.last_offset_delta + 1, static_cast<uint32_t>(header.total_size()),
                          static_cast<uint32_t>(header.record_count),
                          append_time_us - row_.first_append_us});
  row_.last_append_us = append_time_us;
  row_.max_timestamp_ms = std::max(row_.max_timestamp_ms, header.max_timestamp_ms);
  row_.last_offset_delta += header.record_count;
  row_.total_bytes += header.total_size();
  add_types(summary);
  add_lookups(summary);
}

bool ChunkBuilder::should_close(int64_t now_us) const {
  if (empty()) return false;
  return row_.total_bytes >= kMaxBytes || row_.batches.size() >= ChunkRow::kMaxBatches ||
         now_us >= close_at_us();
}

ChunkRow ChunkBuilder::finish() {
  HR_CHECK(!empty());
  row_.bloom = Bloom(hashes_);
  ChunkRow done = std::move(row_);
  row_ = ChunkRow{};
  hashes_.clear();
  recent_.fill(0);
  last_type_ = 0;
  return done;
}

}  // namespace headrace::storage

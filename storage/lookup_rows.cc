#include "storage/lookup_rows.h"

#include <algorithm>
#include <cstring>

#include "metrics/check.h"
#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kLookupRowVersion = 1;
constexpr uint64_t kSkipMax = uint64_t{1}
                              << 40;  // above what a chunk can hold; sums cannot overflow

void set_bit(std::string* bits, size_t n) {
  if (bits->size() <= n / 8) bits->resize(n / 8 + 1, '\0');
  (*bits)[n / 8] = static_cast<char>((*bits)[n / 8] | 1 << (n % 8));
}

uint32_t in_kib(size_t bytes) {
  return static_cast<uint32_t>((bytes + 1023) / 1024);
}

uint32_t take_number(ByteReader& reader) {
  const uint64_t value = reader.uvarint();
  if (value > UINT32_MAX) reader.fail();
  return static_cast<uint32_t>(value);
}

// As many bytes as batches need bits; stored bits behind the last batch are damage.
std::string take_bits(ByteReader& reader, size_t count) {
  std::string bits(reader.bytes((count + 7) / 8));
  if (count % 8 != 0 && !bits.empty() && static_cast<unsigned char>(bits.back()) >> count % 8 != 0)
    reader.fail();
  return bits;
}

std::string padded(std::string bits, size_t count) {
  bits.resize((count + 7) / 8, '\0');
  return bits;
}

// Four at a time: a lane of 16 bits is zero where it is the one.
bool holds(std::string_view rests, uint16_t stored) {
  constexpr uint64_t kOnes = 0x0001'0001'0001'0001;
  constexpr uint64_t kHighs = 0x8000'8000'8000'8000;
  size_t at = 0;
  for (; at + sizeof kOnes <= rests.size(); at += sizeof kOnes) {
    uint64_t four;
    std::memcpy(&four, rests.data() + at, sizeof four);
    four ^= kOnes * stored;
    if (((four - kOnes) & ~four & kHighs) != 0) return true;
  }
  for (; at < rests.size(); at += sizeof stored) {
    uint16_t one;
    std::memcpy(&one, rests.data() + at, sizeof one);
    if (one == stored) return true;
  }
  return false;
}

uint16_t as_stored(uint16_t rest) {  // big-endian
  return __builtin_bswap16(rest);
}

}  // namespace

std::optional<LookupHits> LookupHits::decode(std::string_view row, uint16_t rest) {
  ByteReader reader(row);
  LookupHits hits;
  if (reader.take<uint8_t>() != kLookupRowVersion) return std::nullopt;
  hits.first_append_us = reader.take<int64_t>();
  const uint64_t span_us = reader.uvarint();
  if (hits.first_append_us < 0 || span_us > static_cast<uint64_t>(INT64_MAX) ||
      hits.first_append_us > INT64_MAX - static_cast<int64_t>(span_us)) {
    return std::nullopt;
  }
  hits.last_append_us = hits.first_append_us + static_cast<int64_t>(span_us);
  const uint16_t stored = as_stored(rest);
  uint64_t offset_delta = 0;
  while (reader.ok() && reader.remaining() > 0) {
    const uint64_t skip = reader.uvarint();
    const uint32_t size_kib = take_number(reader);
    const uint64_t count = reader.uvarint();
    if (count > LookupBuilder::kMaxEntries || skip > kSkipMax) return std::nullopt;
    offset_delta += skip;
    const auto rests = reader.bytes(count * sizeof stored);
    if (!reader.ok()) return std::nullopt;
    if (count == 0 || holds(rests, stored)) {
      hits.batches.push_back({static_cast<int64_t>(offset_delta), size_kib});
    }
  }
  return reader.ok() ? std::optional(std::move(hits)) : std::nullopt;
}

std::string ContentsRow::encode() const {
  HR_CHECK(!batches.empty() && types.size() <= kMaxTypes);
  std::string out;
  append_be(&out, kLookupRowVersion);
  append_be(&out, first_append_us);
  append_uvarint(&out, batches.size());
  int64_t last_append = 0;
  for (const Batch& batch : batches) {
    append_uvarint(&out, batch.record_count);
    append_uvarint(&out, batch.size_kib);
    append_uvarint(&out, static_cast<uint64_t>(batch.append_delta_us - last_append));
    last_append = batch.append_delta_us;
  }
  out += any_type;
  append_uvarint(&out, types.size());
  for (const Type& type : types) {
    append_uvarint(&out, type.name.size());
    out += type.name;
    out += type.batches;
  }
  return out;
}

std::optional<ContentsRow> ContentsRow::decode(std::string_view from) {
  ByteReader reader(from);
  ContentsRow row;
  if (reader.take<uint8_t>() != kLookupRowVersion) return std::nullopt;
  row.first_append_us = reader.take<int64_t>();
  const uint64_t count = reader.uvarint();
  if (!reader.ok() || row.first_append_us < 0 || count == 0 || count > ChunkRow::kMaxBatches) {
    return std::nullopt;
  }
  row.batches.resize(count);
  int64_t offset_delta = 0;
  uint64_t append_delta_us = 0;
  for (Batch& batch : row.batches) {
    batch.offset_delta = offset_delta;
    batch.record_count = take_number(reader);
    batch.size_kib = take_number(reader);
    append_delta_us += reader.uvarint();
    if (batch.record_count == 0 || append_delta_us > INT64_MAX / 2) return std::nullopt;
    batch.append_delta_us = static_cast<int64_t>(append_delta_us);
    offset_delta += batch.record_count;
  }
  if (row.first_append_us > INT64_MAX - row.batches.back().append_delta_us) return std::nullopt;
  row.any_type = take_bits(reader, count);
  const uint64_t types = reader.uvarint();
  if (!reader.ok() || types > kMaxTypes) return std::nullopt;
  row.types.resize(types);
  for (Type& type : row.types) {
    type.name = reader.bytes(reader.uvarint());
    type.batches = take_bits(reader, count);
  }
  return reader.finished() ? std::optional(std::move(row)) : std::nullopt;
}

// ---- building

void LookupBuilder::add_types(const Summary& summary) {
  const size_t batch = contents_.batches.size() - 1;
  bool unknown = summary.types_unknown;
  for (const Summary::TypeCount& type : summary.types) {
    if (unknown) break;
    auto& types = contents_.types;
    if (last_type_ >= types.size() || types[last_type_].name != type.type) {
      for (last_type_ = 0; last_type_ < types.size(); ++last_type_) {
        if (types[last_type_].name == type.type) break;
      }
    }
    if (last_type_ == types.size()) {
      unknown = types.size() == ContentsRow::kMaxTypes;
      if (unknown) break;
      types.push_back({type.type, {}});
    }
    set_bit(&types[last_type_].batches, batch);
  }
  if (unknown) set_bit(&contents_.any_type, batch);
}

void LookupBuilder::add_entries(const Summary& summary) {
  const size_t batch = contents_.batches.size() - 1;
  const size_t begin = entries_.size();
  const bool fits = begin + summary.lookups.size() <= kMaxEntries;
  if (summary.lookups_unknown || !fits) set_bit(&unseen_, batch);
  if (!summary.lookups_unknown && fits) {
    for (const uint64_t hash : summary.lookups) {
      const Fingerprint print(hash);
      const uint32_t entry = uint32_t{print.bucket} << 16 | print.rest;
      // 23 bits of entry, and of which batch it was: no other batch's is taken for a repetition.
      const auto stamped = static_cast<uint32_t>(batch + 1) << 23 | entry;
      if (std::exchange(recent_[entry % recent_.size()], stamped) != stamped) {
        entries_.push_back(entry);
      }
    }
  }
  entries_end_.push_back(static_cast<uint32_t>(entries_.size()));
}

void LookupBuilder::add(const BatchHeader& header, int64_t append_time_us, const Summary& summary) {
  auto& batches = contents_.batches;
  HR_CHECK(batches.size() < ChunkRow::kMaxBatches && header.record_count > 0);
  if (batches.empty()) contents_.first_append_us = append_time_us;
  const int64_t offset_delta = batches.empty() ? 0 : contents_.last_offset_delta() + 1;
  batches.push_back({offset_delta, static_cast<uint32_t>(header.record_count),
                     in_kib(header.total_size()), append_time_us - contents_.first_append_us});
  add_types(summary);
  add_entries(summary);
}

std::vector<LookupHit> LookupBuilder::find(const std::vector<uint64_t>& hashes) const {
  std::vector<LookupHit> hits;
  std::vector<uint32_t> wanted;
  for (const uint64_t hash : hashes) {
    const Fingerprint print(hash);
    wanted.push_back(uint32_t{print.bucket} << 16 | print.rest);
  }
  size_t at = 0;
  for (size_t batch = 0; batch < entries_end_.size(); ++batch) {
    bool hit = has_bit(unseen_, batch);
    for (; at < entries_end_[batch]; ++at) {
      hit = hit || std::find(wanted.begin(), wanted.end(), entries_[at]) != wanted.end();
    }
    const ContentsRow::Batch& of = contents_.batches[batch];
    if (hit) hits.push_back({of.offset_delta, of.size_kib});
  }
  return hits;
}

// Its run in the row of each bucket: first the lengths, then the entries.
void LookupBuilder::append_batch(size_t batch, std::vector<std::string>* rows,
                                 std::array<int64_t, kLookupBuckets + 1>* last) const {
  const ContentsRow::Batch& of = contents_.batches[batch];
  const size_t from = batch == 0 ? 0 : entries_end_[batch - 1];
  const auto begin_run = [&](size_t bucket, uint32_t count) {
    std::string* row = &(*rows)[bucket];
    if (row->empty()) {
      append_be(row, kLookupRowVersion);
      append_be(row, contents_.first_append_us);
      append_uvarint(row, static_cast<uint64_t>(contents_.batches.back().append_delta_us));
    }
    append_uvarint(row, static_cast<uint64_t>(of.offset_delta - (*last)[bucket]));
    append_uvarint(row, of.size_kib);
    append_uvarint(row, count);
    (*last)[bucket] = of.offset_delta;
  };
  if (has_bit(unseen_, batch)) return begin_run(kUnseenBucket, 0);
  std::array<uint32_t, kLookupBuckets> counts{};
  for (size_t at = from; at < entries_end_[batch]; ++at) ++counts[entries_[at] >> 16];
  std::array<char*, kLookupBuckets> to{};
  for (size_t bucket = 0; bucket < kLookupBuckets; ++bucket) {
    if (counts[bucket] == 0) continue;
    begin_run(bucket, counts[bucket]);
    std::string& row = (*rows)[bucket];
    const size_t begin = row.size();
    row.resize(begin + counts[bucket] * sizeof(uint16_t));
    to[bucket] = row.data() + begin;
  }
  for (size_t at = from; at < entries_end_[batch]; ++at) {
    char*& place = to[entries_[at] >> 16];
    const uint16_t stored = as_stored(static_cast<uint16_t>(entries_[at]));
    std::memcpy(place, &stored, sizeof stored);
    place += sizeof stored;
  }
}

std::vector<LookupBuilder::Row> LookupBuilder::finish() {
  HR_CHECK(!empty());
  const size_t count = contents_.batches.size();
  std::vector<std::string> rows(kLookupBuckets + 1);
  std::array<int64_t, kLookupBuckets + 1> last{};
  for (size_t batch = 0; batch < count; ++batch) append_batch(batch, &rows, &last);
  std::vector<Row> done;
  for (size_t bucket = 0; bucket < rows.size(); ++bucket) {
    if (rows[bucket].empty()) continue;
    done.emplace_back(static_cast<uint8_t>(bucket), std::move(rows[bucket]));
  }
  contents_.any_type = padded(std::move(contents_.any_type), count);
  for (auto& type : contents_.types) type.batches = padded(std::move(type.batches), count);
  done.emplace_back(kContentsBucket, contents_.encode());
  *this = LookupBuilder();
  return done;
}

}  // namespace headrace::storage

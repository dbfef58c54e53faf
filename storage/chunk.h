// Chunk rows: about 1 MiB of consecutive batches of a partition described in a row, so that
// filters, replays and look-ups skip what cannot match, and so that reading is "chunk row, then
// exact keys" and never an iterator over blobs. Written with the WriteSet that closes the chunk,
// under the key of its first batch and in its month; the open chunk is memory of the partition,
// rebuilt on load.
//
// Pure. A ChunkBuilder belongs to its partition's reactor.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/batch.h"
#include "storage/types.h"

namespace headrace::storage {

// Bloom filter over lookup_hash() values. Sized by the number of entries: 10 bits each (about 1 %
// false positives), at most 16 KiB. Persistent: docs/formats.md.
class Bloom {
 public:
  static constexpr size_t kBitsPerEntry = 10;
  static constexpr size_t kMaxBytes = 16u << 10;
  static constexpr uint32_t kProbes = 7;

  Bloom() = default;  // empty: contains nothing
  explicit Bloom(const std::vector<uint64_t>& hashes);
  static std::optional<Bloom> from_bytes(std::string_view bytes);

  bool may_contain(uint64_t hash) const;
  std::string_view bytes() const { return bits_; }
  bool operator==(const Bloom&) const = default;

 private:
  uint32_t position(uint64_t hash, uint32_t probe) const;

  std::string bits_;  // a multiple of 8 bytes; bit n is byte n / 8, bit n % 8
};

struct ChunkRow {
  struct Batch {
    int64_t offset_delta = 0;  // from the chunk's base offset; implied by the counts, not stored
    uint32_t size = 0;         // of the batch, without its envelope
    uint32_t record_count = 0;
    int64_t append_delta_us = 0;  // from first_append_us

    bool operator==(const Batch&) const = default;
  };
  static constexpr size_t kMaxBatches = 256;
  static constexpr size_t kMaxTypes = 256;

  std::vector<Batch> batches;
  std::vector<Summary::TypeCount> types;  // sum of the batches' counts
  bool types_unknown = false;             // then `types` is empty: every filter is a candidate
  bool lookups_unknown = false;           // then `bloom` is empty: every look-up is a candidate
  Bloom bloom;
  int64_t first_append_us = 0;
  int64_t last_append_us = 0;
  int64_t max_timestamp_ms = 0;  // greatest of the batches' greatest record timestamps
  int64_t last_offset_delta = 0;
  uint64_t total_bytes = 0;

  // False only if no event of the chunk has this key or id.
  bool may_contain(Lookup what, std::string_view bytes) const {
    return lookups_unknown || bloom.may_contain(lookup_hash(what, bytes));
  }

  std::string encode() const;
  static std::optional<ChunkRow> decode(std::string_view from);
  bool operator==(const ChunkRow&) const = default;
};

class ChunkBuilder {
 public:
  static constexpr size_t kMaxBytes = 1u << 20;
  static constexpr int64_t kMaxAgeUs = 10'000'000;

  // The next batch of the partition: `header` with its assigned base offset, which must follow the
  // last one's; append times never go back; one more than kMaxBatches is a bug.
  void add(const BatchHeader& header, int64_t append_time_us, const Summary& summary);

  bool empty() const { return row_.batches.empty(); }
  const ChunkRow& so_far() const { return row_; }      // its bloom filter is still empty
  Offset base_offset() const { return base_offset_; }  // of the first batch: the row's key
  Offset next_offset() const { return base_offset_ + row_.last_offset_delta + 1; }
  // When the first batch is too old; a timer may ask for it. Only if not empty.
  int64_t close_at_us() const { return row_.first_append_us + kMaxAgeUs; }
  bool should_close(int64_t now_us) const;
  // The chunk so far; leaves the builder empty.
  ChunkRow finish();

 private:
  void add_types(const Summary& summary);
  void add_lookups(const Summary& summary);

  ChunkRow row_;
  Offset base_offset_;
  size_t last_type_ = 0;
  std::vector<uint64_t> hashes_;
  std::array<uint64_t, 256> recent_{};  // a key that repeats counts once, mostly
};

}  // namespace headrace::storage

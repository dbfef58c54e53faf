// Look-up rows: which batches of a chunk may hold an id, a correlation id, a key or a type, so that
// a search through the history reads the batches that have it and few others. Written in the set
// that closes the chunk, in its month; the open chunk's are memory of the partition, rebuilt on
// load. A log is found without them too, through its chunk rows: rows of older data have none.
//
// A chunk's entries (lookup_hash() of Summary::lookups) are spread over buckets by their hash, a
// row for each; keys put the rows of one bucket beside each other for a whole segment of the
// partition, so that one short scan looks an entry up in a hundred chunks.
//
// Pure. A LookupBuilder belongs to its partition's reactor. Persistent: docs/formats.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/batch.h"
#include "storage/chunk.h"
#include "storage/types.h"

namespace headrace::storage {

constexpr size_t kLookupBuckets = 128;    // of entries; two further buckets follow
constexpr uint8_t kUnseenBucket = 128;    // batches that nobody looked into: they may hold anything
constexpr uint8_t kContentsBucket = 129;  // all batches of the chunk, with their types

// What is kept of an entry's hash. Two texts may have the same: what is found must be compared.
struct Fingerprint {
  uint8_t bucket = 0;
  uint16_t rest = 0;

  explicit Fingerprint(uint64_t hash)
      : bucket(static_cast<uint8_t>(hash >> 57)), rest(static_cast<uint16_t>(hash >> 41)) {}
};

// A batch that may hold what is looked for.
struct LookupHit {
  int64_t offset_delta = 0;  // from the chunk's base offset
  uint32_t size_kib = 0;     // rounded up

  bool operator==(const LookupHit&) const = default;
};

// What the row of a bucket says of an entry in it. kUnseenBucket: of any entry.
struct LookupHits {
  int64_t first_append_us = 0;  // of the chunk
  int64_t last_append_us = 0;
  std::vector<LookupHit> batches;  // by offset

  static std::optional<LookupHits> decode(std::string_view row, uint16_t rest);
};

// The batches of a chunk and where its types are.
struct ContentsRow {
  struct Batch {
    int64_t offset_delta = 0;  // from the chunk's base offset; implied by the counts, not stored
    uint32_t record_count = 0;
    uint32_t size_kib = 0;
    int64_t append_delta_us = 0;  // from first_append_us

    bool operator==(const Batch&) const = default;
  };
  struct Type {
    std::string name;
    std::string batches;  // bit n is byte n / 8, bit n % 8

    bool operator==(const Type&) const = default;
  };
  static constexpr size_t kMaxTypes = ChunkRow::kMaxTypes;

  int64_t first_append_us = 0;
  std::vector<Batch> batches;
  std::vector<Type> types;
  std::string any_type;  // bits of the batches whose types are not known

  int64_t last_append_us() const { return first_append_us + batches.back().append_delta_us; }
  int64_t last_offset_delta() const {
    return batches.back().offset_delta + batches.back().record_count - 1;
  }
  std::string encode() const;
  static std::optional<ContentsRow> decode(std::string_view row);
  bool operator==(const ContentsRow&) const = default;
};

inline bool has_bit(std::string_view bits, size_t n) {
  return n / 8 < bits.size() && (static_cast<unsigned char>(bits[n / 8]) >> (n % 8) & 1) != 0;
}

class LookupBuilder {
 public:
  using Row = std::pair<uint8_t, std::string>;   // bucket, value
  static constexpr size_t kMaxEntries = 65'536;  // of a chunk; later batches count as unseen

  // As ChunkBuilder::add, of the same batches.
  void add(const BatchHeader& header, int64_t append_time_us, const Summary& summary);

  bool empty() const { return contents_.batches.empty(); }
  const ContentsRow& contents() const { return contents_; }  // so far
  // Those of the batches so far that may hold an entry with one of the hashes.
  std::vector<LookupHit> find(const std::vector<uint64_t>& hashes) const;
  // The rows of the chunk, by bucket; leaves the builder empty.
  std::vector<Row> finish();

 private:
  void add_types(const Summary& summary);
  void add_entries(const Summary& summary);
  void append_batch(size_t batch, std::vector<std::string>* rows,
                    std::array<int64_t, kLookupBuckets + 1>* last) const;

  ContentsRow contents_;
  size_t last_type_ = 0;
  std::vector<uint32_t> entries_;       // bucket << 16 | rest, batch after batch
  std::vector<uint32_t> entries_end_;   // of each batch, in entries_
  std::string unseen_;                  // bits of the batches nobody looked into
  std::array<uint32_t, 512> recent_{};  // an entry that repeats in a batch counts once, mostly
};

}  // namespace headrace::storage

// Record batch v2 (Kafka's layout): the one form of events on the wire, in the cache and on disk.
// Layout and validation rules: docs/formats.md. Everything here is pure and bounds-checked: it
// takes bytes from strangers.
//
// The broker rewrites base offset and leader epoch only (12 bytes outside the CRC).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/shared_bytes.h"
#include "storage/types.h"
#include "storage/varint.h"

namespace headrace::storage {

constexpr size_t kBatchHeaderSize = 61;
constexpr uint8_t kBatchMagic = 2;
constexpr size_t kMinRecordSize =
    7;  // length, attributes, two deltas, null key, null value, no headers
constexpr size_t kMaxInflateRatio = 100;
constexpr size_t kInflateFloor = 64u << 10;  // small blocks may inflate to this whatever the ratio

enum class Codec : uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };
std::string_view to_string(Codec codec);
std::optional<Codec> parse_codec(std::string_view name);

enum class BatchError : uint8_t {
  ok,
  too_short,
  length_mismatch,
  bad_magic,
  bad_crc,
  bad_codec,
  control_or_transactional,
  bad_timestamp_type,
  bad_count,
  bad_producer,
  bad_record,
  reserved_header,
  inflate_failed,
  inflate_too_large,
};
std::string_view to_string(BatchError error);  // words for a person

// The 61-byte header, decoded.
struct BatchHeader {
  int64_t base_offset = 0;
  int32_t batch_length = 0;  // bytes after this field: total size - 12
  int32_t leader_epoch = 0;
  uint8_t magic = 0;
  uint32_t crc = 0;
  uint16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t base_timestamp_ms = 0;
  int64_t max_timestamp_ms = 0;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t record_count = 0;

  Codec codec() const { return static_cast<Codec>(attributes & 7); }
  size_t total_size() const { return static_cast<size_t>(batch_length) + 12; }
};

// nullopt if fewer than 61 bytes. No validation.
std::optional<BatchHeader> read_header(std::span<const std::byte> batch);

// What every published batch must satisfy: exact length, magic, CRC, codec, no control or
// transactional bit, create time, count > 0 and last_offset_delta + 1 == count, producer fields
// consistent. Does not look at the records, but refuses a count that they cannot hold.
BatchError check_header(std::span<const std::byte> batch, BatchHeader* header);

// Broker's 12 bytes, outside the CRC.
void patch_batch(std::byte* batch, Offset base_offset, Epoch epoch);

// A copy under another producer stamp, with its CRC.
SharedBytes with_producer(std::span<const std::byte> batch, ProducerId id, int16_t epoch,
                          int32_t base_sequence);

struct HeaderView {
  std::string_view key;
  std::optional<std::string_view> value;  // null and empty are kept apart
};

// One record; views point into the (inflated) record block.
struct RecordView {
  int32_t offset_delta = 0;
  int64_t timestamp_ms = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::string_view headers_raw;  // encoded headers, walked by for_each_header
  int32_t header_count = 0;

  std::optional<std::string_view> header(std::string_view name) const;  // the first of that name
};

// Walks a record block (inflated if it was compressed). next() returns false at the end or on
// damage; check error() after. Enforces consecutive offset deltas and exact consumption.
class RecordReader {
 public:
  RecordReader(std::span<const std::byte> records, const BatchHeader& header);
  bool next(RecordView* record);
  BatchError error() const { return error_; }

 private:
  const char* at_;
  const char* end_;
  int64_t base_timestamp_ms_;
  int32_t expected_;
  int32_t seen_ = 0;
  BatchError error_ = BatchError::ok;
};

// One encoded header at `at`: the position after it, or nullptr if it is damaged.
inline const char* read_record_header(const char* at, const char* end, HeaderView* header) {
  int32_t size = 0;
  at = read_varint32(at, end, &size);
  if (at == nullptr || size < 0 || size > end - at) return nullptr;
  header->key = {at, static_cast<size_t>(size)};
  at = read_varint32(at + size, end, &size);
  if (at == nullptr || size < -1 || size > end - at) return nullptr;
  if (size < 0) {
    header->value.reset();
    return at;
  }
  header->value = std::string_view(at, static_cast<size_t>(size));
  return at + size;
}

// Calls visit(HeaderView) for each header; false if the encoding is damaged.
template <class Visit>
bool for_each_header(const RecordView& record, Visit&& visit) {
  const char* at = record.headers_raw.data();
  const char* end = at + record.headers_raw.size();
  HeaderView header;
  for (int32_t i = 0; i < record.header_count; ++i) {
    at = read_record_header(at, end, &header);
    if (at == nullptr) return false;
    visit(static_cast<const HeaderView&>(header));
  }
  return at == end;
}

// The record block of a batch: a view into it, or inflated into `scratch` (at most max_bytes and
// 100 × the compressed size, but 64 KiB always; else inflate_too_large).
BatchError records_of(std::span<const std::byte> batch, const BatchHeader& header,
                      std::string* scratch, size_t max_bytes, std::span<const std::byte>* records);

// What the broker learns from walking an uncompressed batch, or a client states for a compressed
// one.
struct Summary {
  struct TypeCount {
    std::string type;
    uint32_t count = 0;
    bool operator==(const TypeCount&) const = default;
  };
  std::vector<TypeCount> types;  // distinct ce_type values; "" counts the events without one
  bool types_unknown = false;    // more than fits, or never stated: every filter must look inside
  bool has_keys = false;
  bool has_ids = false;
  uint32_t uncompressed_size = 0;  // of the record block
  // lookup_hash() of every key, ce_id and ce_correlationid, for the chunk row's bloom filter. Only
  // a walk knows them: unknown for a batch that nobody inflated.
  std::vector<uint64_t> lookups;
  bool lookups_unknown = true;

  static constexpr size_t kMaxTypes = 64;
  static constexpr size_t kMaxTypeSize = 255;
  static constexpr size_t kMaxLookups = 32'768;
};

// What an event can be looked up by. Fixed numbers: seeds of a persistent hash.
enum class Lookup : uint8_t { key = 1, id = 2, correlation_id = 3 };
uint64_t lookup_hash(Lookup what, std::string_view bytes);  // XXH64, seeded with the number
// Two of them: seeded with Lookup::id and with 4. Persistent.
IdHash id_hash(std::string_view id);

// Structure walk of an uncompressed record block: every record parses, no `hr_` header, and fills
// `summary` if given (overwriting it). Linear, no allocation per record.
BatchError walk(std::span<const std::byte> records, const BatchHeader& header, Summary* summary);

// Writing. Header values: nullopt is null.
struct HeaderField {
  std::string_view key;
  std::optional<std::string_view> value;
};
struct EventFields {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  int64_t timestamp_ms = 0;
  std::span<const HeaderField> headers;
};

// Builds one batch. Reusable; finish() leaves it empty.
class BatchBuilder {
 public:
  // Of the batch being built; finish() goes back to "no producer".
  void set_producer(ProducerId id, int16_t epoch, int32_t base_sequence);
  void add(const EventFields& event);
  int32_t count() const { return count_; }
  size_t size() const { return kBatchHeaderSize + records_.size(); }  // uncompressed, so far
  bool empty() const { return count_ == 0; }
  // A complete batch, base offset 0, CRC set. `codec` none keeps the records as they are.
  SharedBytes finish(Codec codec = Codec::none);

 private:
  std::string records_;
  int32_t count_ = 0;
  int64_t base_timestamp_ms_ = 0;
  int64_t max_timestamp_ms_ = 0;
  int64_t producer_id_ = -1;
  int16_t producer_epoch_ = -1;
  int32_t base_sequence_ = -1;
};

// The record alone, as a batch that lies at `offset`.
SharedBytes batch_of_one(const RecordView& record, Offset offset, Epoch epoch);

// Compressors, shared by broker and client. compress appends to *out; snappy is written raw, as
// librdkafka does (the Java client reads both forms).
void compress(Codec codec, std::span<const std::byte> from, std::string* out);
// Overwrites *out, which never grows above max_bytes. Snappy: raw or in the Java client's framing.
BatchError inflate(Codec codec, std::span<const std::byte> from, size_t max_bytes,
                   std::string* out);

}  // namespace headrace::storage

#include "storage/batch.h"

#include <algorithm>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "metrics/crc32c.h"

namespace headrace::storage {
namespace {

constexpr size_t kCrcStart = 21;  // the CRC covers everything from the attributes on
constexpr uint16_t kLogAppendTime = 1u << 3;
constexpr uint16_t kTransactional = 1u << 4;
constexpr uint16_t kControl = 1u << 5;

BatchError check_fields(const BatchHeader& header, size_t record_bytes) {
  if ((header.attributes & 7) > static_cast<uint16_t>(Codec::zstd)) return BatchError::bad_codec;
  if ((header.attributes & (kTransactional | kControl)) != 0) {
    return BatchError::control_or_transactional;
  }
  if ((header.attributes & kLogAppendTime) != 0) return BatchError::bad_timestamp_type;
  if (header.record_count <= 0 || header.last_offset_delta != header.record_count - 1) {
    return BatchError::bad_count;
  }
  const size_t most_bytes = header.codec() == Codec::none
                                ? record_bytes
                                : std::max(kInflateFloor, record_bytes * kMaxInflateRatio);
  if (static_cast<size_t>(header.record_count) > most_bytes / kMinRecordSize) {
    return BatchError::bad_count;
  }
  // Without a producer id the other two mean nothing: clients put different things there.
  if (header.producer_id < -1) return BatchError::bad_producer;
  if (header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0)) {
    return BatchError::bad_producer;
  }
  return BatchError::ok;
}

}  // namespace

std::string_view to_string(Codec codec) {
  switch (codec) {
    case Codec::none:
      return "none";
    case Codec::gzip:
      return "gzip";
    case Codec::snappy:
      return "snappy";
    case Codec::lz4:
      return "lz4";
    case Codec::zstd:
      return "zstd";
  }
  return "invalid";
}

std::optional<Codec> parse_codec(std::string_view name) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    if (name == to_string(codec)) return codec;
  }
  return std::nullopt;
}

std::string_view to_string(BatchError error) {
  switch (error) {
    case BatchError::ok:
      return "ok";
    case BatchError::too_short:
      return "batch is shorter than its 61-byte header";
    case BatchError::length_mismatch:
      return "batch length field differs from the bytes sent";
    case BatchError::bad_magic:
      return "batch magic is not 2";
    case BatchError::bad_crc:
      return "batch checksum (CRC32C) does not match";
    case BatchError::bad_codec:
      return "batch has an unknown compression codec";
    case BatchError::control_or_transactional:
      return "control and transactional batches are refused";
    case BatchError::bad_timestamp_type:
      return "batch must carry create time, not append time";
    case BatchError::bad_count:
      return "batch record count is zero or does not match its records";
    case BatchError::bad_producer:
      return "batch has a producer id without a valid epoch and sequence";
    case BatchError::bad_record:
      return "a record of the batch is malformed";
    case BatchError::reserved_header:
      return "a record has a header with the reserved prefix hr_";
    case BatchError::inflate_failed:
      return "batch does not decompress";
    case BatchError::inflate_too_large:
      return "batch decompresses to more than is allowed";
  }
  return "invalid";
}

std::optional<BatchHeader> read_header(std::span<const std::byte> batch) {
  if (batch.size() < kBatchHeaderSize) return std::nullopt;
  const std::byte* at = batch.data();
  BatchHeader header;
  header.base_offset = load_be<int64_t>(at);
  header.batch_length = load_be<int32_t>(at + 8);
  header.leader_epoch = load_be<int32_t>(at + 12);
  header.magic = load_be<uint8_t>(at + 16);
  header.crc = load_be<uint32_t>(at + 17);
  header.attributes = load_be<uint16_t>(at + 21);
  header.last_offset_delta = load_be<int32_t>(at + 23);
  header.base_timestamp_ms = load_be<int64_t>(at + 27);
  header.max_timestamp_ms = load_be<int64_t>(at + 35);
  header.producer_id = load_be<int64_t>(at + 43);
  header.producer_epoch = load_be<int16_t>(at + 51);
  header.base_sequence = load_be<int32_t>(at + 53);
  header.record_count = load_be<int32_t>(at + 57);
  return header;
}

BatchError check_header(std::span<const std::byte> batch, BatchHeader* header) {
  const auto decoded = read_header(batch);
  if (!decoded) return BatchError::too_short;
  *header = *decoded;
  // Magic first: older formats have other fields where these are.
  if (header->magic != kBatchMagic) return BatchError::bad_magic;
  if (header->batch_length < 0 || header->total_size() != batch.size()) {
    return BatchError::length_mismatch;
  }
  if (crc32c(batch.subspan(kCrcStart)) != header->crc) return BatchError::bad_crc;
  return check_fields(*header, batch.size() - kBatchHeaderSize);
}

void patch_batch(std::byte* batch, Offset base_offset, Epoch epoch) {
  store_be(batch, base_offset.value());
  store_be(batch + 12, epoch.value());
}

SharedBytes with_producer(std::span<const std::byte> batch, ProducerId id, int16_t epoch,
                          int32_t base_sequence) {
  HR_CHECK(batch.size() >= kBatchHeaderSize);
  SharedBytes copy = SharedBytes::copy_of(batch);
  std::byte* at = copy.mutable_data();
  store_be(at + 43, id.value());
  store_be(at + 51, epoch);
  store_be(at + 53, base_sequence);
  store_be(at + 17, crc32c(copy.span().subspan(21)));
  return copy;
}

BatchError records_of(std::span<const std::byte> batch, const BatchHeader& header,
                      std::string* scratch, size_t max_bytes, std::span<const std::byte>* records) {
  HR_CHECK(batch.size() >= kBatchHeaderSize);
  const auto block = batch.subspan(kBatchHeaderSize);
  if (header.codec() == Codec::none) {
    *records = block;
    return BatchError::ok;
  }
  const size_t limit =
      std::min(max_bytes, std::max(kInflateFloor, block.size() * kMaxInflateRatio));
  const BatchError error = inflate(header.codec(), block, limit, scratch);
  if (error == BatchError::ok) *records = std::as_bytes(std::span(*scratch));
  return error;
}

}  // namespace headrace::storage

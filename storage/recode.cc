#include "storage/recode.h"

#include <cstring>
#include <string>

#include "metrics/big_endian.h"
#include "metrics/crc32c.h"

namespace headrace::storage {
namespace {

constexpr size_t kLengthAt = 8;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;  // the CRC covers what begins here
constexpr uint16_t kCodecBits = 7;

}  // namespace

BatchError inflate_batch(std::span<const std::byte> batch, size_t max_bytes, SharedBytes* out) {
  const auto header = read_header(batch);
  if (!header || max_bytes < kBatchHeaderSize) return BatchError::too_short;
  std::string scratch;
  std::span<const std::byte> records;
  const BatchError error =
      records_of(batch, *header, &scratch, max_bytes - kBatchHeaderSize, &records);
  if (error != BatchError::ok) return error;

  const size_t size = kBatchHeaderSize + records.size();
  SharedBytes bytes = SharedBytes::allocate(size);
  std::byte* at = bytes.mutable_data();
  std::memcpy(at, batch.data(), kBatchHeaderSize);
  if (!records.empty()) std::memcpy(at + kBatchHeaderSize, records.data(), records.size());
  store_be(at + kLengthAt, static_cast<uint32_t>(size - 12));
  store_be(at + kAttributesAt, static_cast<uint16_t>(header->attributes & ~kCodecBits));
  store_be(at + kCrcAt, crc32c_extend(0, at + kAttributesAt, size - kAttributesAt));
  *out = std::move(bytes);
  return BatchError::ok;
}

}  // namespace headrace::storage

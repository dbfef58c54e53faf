// Batches from strangers: header check, inflating, walking and reading never crash and stay inside
// their limits, and building what was read gives the same events again. The input is tried as it is
// and with length, checksum and counts that pass the header check, so that the records are reached.
#include <cstdint>
#include <string>
#include <vector>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/batch.h"

namespace {

using namespace headrace::storage;

constexpr size_t kMaxInflated = 1u << 20;

// Reads all records of a block that walk() accepted into a new batch, and compares.
void rebuild(std::span<const std::byte> records, const BatchHeader& header) {
  BatchBuilder builder;
  RecordReader reader(records, header);
  RecordView record;
  std::vector<HeaderField> headers;
  while (reader.next(&record)) {
    headers.clear();
    const bool whole = headrace::storage::for_each_header(record, [&](const HeaderView& field) {
      headers.push_back({field.key, field.value});
    });
    HR_CHECK(whole);
    builder.add({record.key, record.value, record.timestamp_ms, headers});
  }
  HR_CHECK(reader.error() == BatchError::ok && builder.count() == header.record_count);
  const headrace::SharedBytes batch = builder.finish();
  BatchHeader again_header;
  HR_CHECK(check_header(batch.span(), &again_header) == BatchError::ok);
  RecordReader first(records, header);
  RecordReader second(batch.span().subspan(kBatchHeaderSize), again_header);
  RecordView a;
  RecordView b;
  while (first.next(&a)) {
    HR_CHECK(second.next(&b));
    HR_CHECK(a.key == b.key && a.value == b.value && a.timestamp_ms == b.timestamp_ms);
    HR_CHECK(a.header_count == b.header_count);
  }
  HR_CHECK(!second.next(&b) && second.error() == BatchError::ok);
}

void take(std::span<const std::byte> bytes) {
  BatchHeader header;
  if (check_header(bytes, &header) != BatchError::ok) return;
  std::string scratch;
  std::span<const std::byte> records;
  if (records_of(bytes, header, &scratch, kMaxInflated, &records) != BatchError::ok) return;
  HR_CHECK(header.codec() == Codec::none || records.size() <= kMaxInflated);
  Summary summary;
  if (walk(records, header, &summary) != BatchError::ok) return;
  uint64_t counted = 0;
  for (const Summary::TypeCount& type : summary.types) counted += type.count;
  HR_CHECK(summary.types_unknown || counted == static_cast<uint64_t>(header.record_count));
  rebuild(records, header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  take(bytes);
  if (size < kBatchHeaderSize) return 0;
  headrace::SharedBytes fixed = headrace::SharedBytes::copy_of(bytes);
  std::byte* at = fixed.mutable_data();
  headrace::store_be(at + 8, static_cast<int32_t>(size - 12));
  headrace::store_be(at + 16, kBatchMagic);
  headrace::store_be(at + 21, static_cast<uint16_t>(data[22] % 5));
  const auto count = headrace::load_be<int32_t>(at + 57);
  headrace::store_be(at + 23, static_cast<int32_t>(static_cast<uint32_t>(count) - 1));
  headrace::store_be(at + 17, headrace::crc32c(fixed.span().subspan(21)));
  take(fixed.span());
  return 0;
}

// WriteSet::parse and the row codecs: never crash, and decode(encode(decode(x))) is decode(x).
// The first byte chooses the decoder. For sets the input is also tried with a checksum that is
// right, so that the fuzzer gets behind it.
#include <cstdint>
#include <string>

#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/byte_reader.h"
#include "storage/chunk.h"
#include "storage/month.h"
#include "storage/offset_row.h"
#include "storage/producer_row.h"
#include "storage/write_set.h"

namespace {

using namespace headrace::storage;

void parse_set(const std::string& bytes) {
  const auto set = WriteSet::parse(std::as_bytes(std::span(bytes)));
  if (!set) return;
  HR_CHECK(set->serialize() == bytes);
  HR_CHECK(!set->to_text().empty());
}

template <class RowType>
void decode_row(const std::string& bytes) {
  const auto row = RowType::decode(bytes);
  if (row) HR_CHECK(RowType::decode(row->encode()) == row);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
    case 0: {
      parse_set(bytes);
      append_be(&bytes, headrace::crc32c_extend(0, bytes.data(), bytes.size()));
      parse_set(bytes);
      break;
    }
    case 1:
      decode_row<ChunkRow>(bytes);
      break;
    case 2:
      decode_row<MonthRow>(bytes);
      break;
    case 3:
      decode_row<ProducerRow>(bytes);
      break;
    default:
      decode_row<OffsetRow>(bytes);
  }
  return 0;
}

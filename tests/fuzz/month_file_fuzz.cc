// A month's file: never crashes, whatever it holds, and what is read as whole is what is written
// again.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/check.h"
#include "storage/month_file.h"

namespace {

using namespace headrace::storage;

bool read_all(std::string_view bytes, MonthFileHeader* header, std::vector<MonthFileBatch>* to) {
  MonthFileReader reader([&](char* into, size_t size) {
    size = std::min(size, bytes.size());
    std::memcpy(into, bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  });
  if (!reader.open()) return false;
  MonthFileBatch batch;
  auto next = reader.next(&batch);
  for (; next == MonthFileReader::Next::batch; next = reader.next(&batch)) to->push_back(batch);
  *header = reader.header();
  return next == MonthFileReader::Next::end;
}

std::string write_all(const MonthFileHeader& header, const std::vector<MonthFileBatch>& batches) {
  std::string bytes;
  MonthFileWriter writer([&](std::string_view more) {
    bytes += more;
    return true;
  });
  MonthFileTotals totals;
  HR_CHECK(writer.begin(header));
  for (const auto& batch : batches) {
    HR_CHECK(writer.add(batch.range, batch.append_time_us, batch.bytes, batch.violations));
  }
  HR_CHECK(writer.finish(&totals));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto look = [](const std::string& file) {
    MonthFileHeader header;
    std::vector<MonthFileBatch> batches;
    if (read_all(file, &header, &batches)) HR_CHECK(write_all(header, batches) == file);
  };
  look(bytes);
  // With a hash that is right, so that the fuzzer gets behind it.
  constexpr size_t kHash = sizeof(headrace::Sha256);
  if (size < kHash) return 0;
  bytes.resize(size - kHash);
  const headrace::Sha256 hash = headrace::sha256({bytes});
  bytes.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  look(bytes);
  return 0;
}

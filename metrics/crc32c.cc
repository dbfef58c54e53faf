#include "metrics/crc32c.h"

#include <isa-l/crc.h>

#include <array>
#include <cstring>

namespace headrace {

uint32_t crc32c_extend(uint32_t crc, const void* bytes, size_t size) {
  // ISA-L takes int lengths and works on the inverted register.
  auto* at = static_cast<unsigned char*>(const_cast<void*>(bytes));
  uint32_t state = ~crc;
  constexpr size_t kStep = size_t{1} << 30;
  while (size > kStep) {
    state = crc32_iscsi(at, static_cast<int>(kStep), state);
    at += kStep;
    size -= kStep;
  }
  return ~crc32_iscsi(at, static_cast<int>(size), state);
}

bool crc32c_self_test() {
  std::array<unsigned char, 32> bytes{};
  if (crc32c_extend(0, bytes.data(), bytes.size()) != 0x8a9136aaU) return false;
  bytes.fill(0xff);
  if (crc32c_extend(0, bytes.data(), bytes.size()) != 0x62a8ab43U) return false;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i);
  if (crc32c_extend(0, bytes.data(), bytes.size()) != 0x46dd794eU) return false;
  const uint32_t first = crc32c_extend(0, "1234", 4);
  return crc32c_extend(first, "56789", 5) == 0xe3069283U;
}

}  // namespace headrace

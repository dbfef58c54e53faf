// CRC32C (Castagnoli) in hardware by ISA-L: frames, batches, WriteSets and, by interposition
// (storage/rocks/crc32c.cc), RocksDB's own files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace {

// CRC32C of `crc`'s input followed by `bytes`; start from 0.
uint32_t crc32c_extend(uint32_t crc, const void* bytes, size_t size);

inline uint32_t crc32c(std::span<const std::byte> bytes) {
  return crc32c_extend(0, bytes.data(), bytes.size());
}

// Known vectors (RFC 3720 B.4); the broker refuses to start if they do not hold.
bool crc32c_self_test();

}  // namespace headrace

// Which partition a key belongs to. The broker uses the same function for single events, so both
// ways of publishing keep a key in one ordering lane: FNV-1a, 64 bits, of the key's bytes, modulo
// the number of partitions. Never change it: order per key across releases depends on it.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace::client {

constexpr uint64_t fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char byte : bytes) {
    hash ^= static_cast<uint8_t>(byte);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

constexpr uint32_t partition_of(std::string_view key, uint32_t partitions) {
  return static_cast<uint32_t>(fnv1a64(key) % partitions);
}

}  // namespace headrace::client

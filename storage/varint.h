// Kafka's record varints: zigzag, little-endian groups of seven bits; and the plain unsigned form
// of our own rows. Pure, bounds-checked, inline because a batch walk is made of them.
#pragma once

#include <cstdint>
#include <string>

namespace headrace::storage {

// Readers return the position after the number, or nullptr if it runs over `end` or is too large.
inline const char* read_uvarint64(const char* at, const char* end, uint64_t* value) {
  if (at < end && static_cast<signed char>(*at) >= 0) [[likely]] {
    *value = static_cast<unsigned char>(*at);
    return at + 1;
  }
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) {
      *value = result;
      return at;
    }
  }
  return nullptr;
}

inline const char* read_uvarint32(const char* at, const char* end, uint32_t* value) {
  // Two bytes cover lengths up to 8 KiB (after zigzag), i.e. nearly every field of an event.
  if (end - at >= 2) [[likely]] {
    const auto first = static_cast<unsigned char>(at[0]);
    if (first < 0x80) {
      *value = first;
      return at + 1;
    }
    const auto second = static_cast<unsigned char>(at[1]);
    if (second < 0x80) {
      *value = (first & 0x7fu) | uint32_t{second} << 7;
      return at + 2;
    }
  }
  uint64_t wide = 0;
  at = read_uvarint64(at, end, &wide);
  if (at == nullptr || wide > UINT32_MAX) return nullptr;
  *value = static_cast<uint32_t>(wide);
  return at;
}

inline const char* read_varint32(const char* at, const char* end, int32_t* value) {
  uint32_t zigzag = 0;
  at = read_uvarint32(at, end, &zigzag);
  *value = static_cast<int32_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  return at;
}

inline const char* read_varint64(const char* at, const char* end, int64_t* value) {
  uint64_t zigzag = 0;
  at = read_uvarint64(at, end, &zigzag);
  *value = static_cast<int64_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  return at;
}

inline void append_uvarint(std::string* out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out->append(bytes, size);
}

inline void append_varint(std::string* out, int64_t value) {
  append_uvarint(out, static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
}

inline size_t varint_size(int64_t value) {
  const uint64_t zigzag = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
  return 1 + (63 - static_cast<size_t>(__builtin_clzll(zigzag | 1))) / 7;
}

}  // namespace headrace::storage

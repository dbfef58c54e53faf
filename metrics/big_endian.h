// Big-endian loads and stores: keys, batches and frames are all big-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace headrace {

static_assert(std::endian::native == std::endian::little, "Headrace runs on x86-64 and arm64");

template <std::integral T>
constexpr T byte_swapped(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<unsigned short>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<unsigned>(value)));
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<unsigned long>(value)));
}

template <std::integral T>
T load_be(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return byte_swapped(value);
}

template <std::integral T>
void store_be(std::byte* to, T value) {
  value = byte_swapped(value);
  std::memcpy(to, &value, sizeof(T));
}

}  // namespace headrace

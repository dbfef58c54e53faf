// Bounds-checked reading of our own fixed-layout values: rows and serialised WriteSets. Once a read
// fails everything after it fails; look at ok() or finished() once, at the end.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "metrics/big_endian.h"
#include "storage/varint.h"

namespace headrace::storage {

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  template <std::integral T>
  T take() {
    const std::string_view raw = bytes(sizeof(T));
    return ok_ ? load_be<T>(reinterpret_cast<const std::byte*>(raw.data())) : T{};
  }
  uint64_t uvarint() {
    uint64_t value = 0;
    const char* next = ok_ ? read_uvarint64(at_, end_, &value) : nullptr;
    if (next == nullptr) return fail(), 0;
    at_ = next;
    return value;
  }
  std::string_view bytes(size_t size) {
    if (!ok_ || remaining() < size) return fail(), std::string_view();
    const std::string_view taken(at_, size);
    at_ += size;
    return taken;
  }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  void fail() { ok_ = false; }
  bool ok() const { return ok_; }
  bool finished() const { return ok_ && at_ == end_; }

 private:
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

template <std::integral T>
void append_be(std::string* out, T value) {
  char bytes[sizeof(T)];
  store_be(reinterpret_cast<std::byte*>(bytes), value);
  out->append(bytes, sizeof(T));
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace headrace::storage

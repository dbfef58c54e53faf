// The 16 bytes the broker puts in front of every stored batch. Big-endian; docs/formats.md.
//   0  u8   version = 1, or 2 with bit 1 of the flags: programs that do not know it refuse the
//   value 1  u8   flags (bit 0: value lives in the object-store tier; none has it yet;
//           bit 1: violations stand between envelope and batch, see violations.h)
//   2  u16  reserved, zero
//   4  u32  key id of the tenant's encryption key, 0 = none
//   8  i64  append time, microseconds UTC
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "metrics/big_endian.h"

namespace headrace::storage {

constexpr size_t kEnvelopeSize = 16;
constexpr uint8_t kEnvelopeVersion = 1;
constexpr uint8_t kEnvelopeVersionViolations = 2;
constexpr uint8_t kEnvelopeHasViolations = 1u << 1;

struct Envelope {
  uint8_t flags = 0;
  uint32_t key_id = 0;
  int64_t append_time_us = 0;

  bool has_violations() const { return (flags & kEnvelopeHasViolations) != 0; }
  std::array<std::byte, kEnvelopeSize> encode() const {
    std::array<std::byte, kEnvelopeSize> out{};
    out[0] = std::byte{has_violations() ? kEnvelopeVersionViolations : kEnvelopeVersion};
    out[1] = std::byte{flags};
    store_be(out.data() + 4, key_id);
    store_be(out.data() + 8, append_time_us);
    return out;
  }
  static std::optional<Envelope> decode(std::span<const std::byte> from) {
    if (from.size() < kEnvelopeSize) return std::nullopt;
    const Envelope envelope{static_cast<uint8_t>(from[1]), load_be<uint32_t>(from.data() + 4),
                            load_be<int64_t>(from.data() + 8)};
    // The first byte follows from the flags.
    if (from[0] != envelope.encode()[0]) return std::nullopt;
    return envelope;
  }
};

}  // namespace headrace::storage

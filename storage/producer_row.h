// Value of a `producers` row (key: partition, producer id): the last five ranges of sequence
// numbers that an idempotent producer appended, so that a repeated publish is recognised and
// answered with its first coordinates (H9 of the design: written in the same WriteSet as the
// events). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace headrace::storage {

struct ProducerRow {
  struct Range {
    int32_t first_sequence = 0;
    int32_t last_sequence = 0;   // lower than the first where the numbers wrap at 2^31
    Offset base_offset;          // below 0: delayed, -1 - the count of its first row ...
    int64_t append_time_us = 0;  // ... and when they are due
    Epoch shard_epoch;           // that appended it: part of computed event ids

    bool operator==(const Range&) const = default;
  };
  static constexpr size_t kMaxRanges = 5;

  int16_t epoch = 0;         // of the producer
  int64_t last_used_us = 0;  // wall clock: rows idle for 7 days go
  uint8_t range_count = 0;
  std::array<Range, kMaxRanges> ranges{};  // oldest first

  void push(const Range& range);  // forgets the oldest when full
  // The range that covers exactly these numbers, or nullptr.
  const Range* find(int32_t first_sequence, int32_t last_sequence) const;
  const Range* last() const { return range_count == 0 ? nullptr : &ranges[range_count - 1u]; }

  std::string encode() const;
  static std::optional<ProducerRow> decode(std::string_view from);
  bool operator==(const ProducerRow&) const = default;
};

}  // namespace headrace::storage

// Value of an `offsets` row (key: tenant, topic, slice, group, lane, partition): how far a group
// is. Version 1 is the positional form; the acked form (floor, settled ranges, attempts) will be
// another version of the same row. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace headrace::storage {

struct OffsetRow {
  Offset position;             // the next event to read
  int64_t commit_time_us = 0;  // wall clock
  Epoch epoch;                 // of the shard when it was committed
  uint32_t generation = 0;     // of the group when it was committed

  std::string encode() const;
  static std::optional<OffsetRow> decode(std::string_view from);
  bool operator==(const OffsetRow&) const = default;
};

}  // namespace headrace::storage

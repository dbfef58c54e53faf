// Value of a `dedup` row (key: partition, append time, first offset): the ids of the events of one
// appended batch, so that they are known again after a restart. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/types.h"

namespace headrace::storage {

struct DedupRow {
  struct Entry {
    IdHash id;
    uint32_t offset_delta = 0;  // from the row's first offset
    bool operator==(const Entry&) const = default;
  };
  Epoch epoch;  // of the shard that appended them
  std::vector<Entry> entries;

  std::string encode() const;
  static std::optional<DedupRow> decode(std::string_view from);
  bool operator==(const DedupRow&) const = default;
};

}  // namespace headrace::storage

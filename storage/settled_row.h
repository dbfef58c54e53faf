// Value of an `offsets` row of an acked group, version 2 (version 1: offset_row.h): everything
// below `floor` is settled, and so are the ranges above it; `parked` of the settled ones wait in
// the retry family. Pure. Bytes: docs/formats.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/types.h"

namespace headrace::storage {

struct SettledRow {
  Offset floor;
  std::vector<std::pair<Offset, Offset>> ranges;  // [first, end), ascending, gaps between them
  uint64_t parked = 0;

  std::string encode() const;
  static std::optional<SettledRow> decode(std::string_view from);
  bool operator==(const SettledRow&) const = default;
};

}  // namespace headrace::storage

// The calendar of the log: which month (UTC, by append time) a batch belongs to, and the row that
// keeps a month's numbers per partition. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace headrace::storage {

Month month_of(int64_t append_time_us);  // microseconds UTC since 1970
bool is_month(Month month);              // 197001 to 999912 with months 01 to 12
Month next_month(Month month);
Month previous_month(Month month);
int64_t month_start_us(Month month);  // its first microsecond

// Value of a `months` row (key: partition, first offset): what one partition has in one month.
// Offsets are dense, so its last offset is first offset + events - 1. Layout: docs/formats.md.
struct MonthRow {
  Month month;
  bool sealed = false;  // nothing is appended any more: about to be dropped, or dropped
  int64_t first_append_us = 0;
  int64_t last_append_us = 0;
  uint64_t bytes = 0;  // of batches, without envelopes
  uint64_t events = 0;
  // CRC32C over the CRC fields (4 bytes, big-endian) of its batches in order: what a receipt
  // proves.
  uint32_t digest = 0;

  // Counts one more batch; append times never go back.
  void add(uint32_t batch_crc, size_t batch_bytes, uint32_t batch_events, int64_t append_time_us);

  std::string encode() const;
  static std::optional<MonthRow> decode(std::string_view from);
  bool operator==(const MonthRow&) const = default;
};

// Value of a `month_import` row: rows of an import that is not part of the log yet. Nobody reads
// them, and the next import, or the end of the topic, removes them. Layout: docs/formats.md.
struct ImportRow {
  Month month;
  Offset first;
  Offset end;

  std::string encode() const;
  static std::optional<ImportRow> decode(std::string_view from);
  bool holds(Offset offset) const { return offset >= first && offset < end; }
  bool operator==(const ImportRow&) const = default;
};

}  // namespace headrace::storage

#include "storage/month.h"

#include <chrono>

#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kMonthRowVersion = 1;
constexpr uint8_t kSealed = 1;
constexpr uint8_t kImportRowVersion = 1;

std::chrono::year_month calendar(Month month) {
  HR_CHECK(is_month(month));
  return std::chrono::year(static_cast<int>(month.value() / 100)) /
         std::chrono::month(month.value() % 100);
}

Month label(std::chrono::year_month month) {
  return Month(static_cast<uint32_t>(static_cast<int>(month.year())) * 100 +
               static_cast<unsigned>(month.month()));
}

}  // namespace

Month month_of(int64_t append_time_us) {
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::microseconds(append_time_us)};
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  const Month month = label(date.year() / date.month());
  HR_CHECK(is_month(month));
  return month;
}

bool is_month(Month month) {
  const uint32_t year = month.value() / 100;
  const uint32_t in_year = month.value() % 100;
  return year >= 1970 && year <= 9999 && in_year >= 1 && in_year <= 12;
}

Month next_month(Month month) {
  return label(calendar(month) + std::chrono::months(1));
}

Month previous_month(Month month) {
  return label(calendar(month) - std::chrono::months(1));
}

int64_t month_start_us(Month month) {
  const std::chrono::sys_days first(calendar(month) / std::chrono::day(1));
  return std::chrono::duration_cast<std::chrono::microseconds>(first.time_since_epoch()).count();
}

void MonthRow::add(uint32_t batch_crc, size_t batch_bytes, uint32_t batch_events,
                   int64_t append_time_us) {
  HR_CHECK(!sealed && (events == 0 || append_time_us >= last_append_us));
  if (events == 0) first_append_us = append_time_us;
  last_append_us = append_time_us;
  bytes += batch_bytes;
  events += batch_events;
  const uint32_t big_endian = byte_swapped(batch_crc);
  digest = crc32c_extend(digest, &big_endian, sizeof big_endian);
}

std::string MonthRow::encode() const {
  std::string out;
  append_be(&out, kMonthRowVersion);
  append_be(&out, static_cast<uint8_t>(sealed ? kSealed : 0));
  append_be(&out, month.value());
  append_be(&out, first_append_us);
  append_be(&out, last_append_us);
  append_be(&out, bytes);
  append_be(&out, events);
  append_be(&out, digest);
  return out;
}

std::optional<MonthRow> MonthRow::decode(std::string_view from) {
  ByteReader reader(from);
  MonthRow row;
  const auto version = reader.take<uint8_t>();
  const auto flags = reader.take<uint8_t>();
  row.sealed = flags == kSealed;
  row.month = Month(reader.take<uint32_t>());
  row.first_append_us = reader.take<int64_t>();
  row.last_append_us = reader.take<int64_t>();
  row.bytes = reader.take<uint64_t>();
  row.events = reader.take<uint64_t>();
  row.digest = reader.take<uint32_t>();
  if (!reader.finished() || version != kMonthRowVersion || flags > kSealed) return std::nullopt;
  return is_month(row.month) ? std::optional(row) : std::nullopt;
}

std::string ImportRow::encode() const {
  std::string row;
  append_be(&row, kImportRowVersion);
  append_be(&row, month.value());
  append_be(&row, first.value());
  append_be(&row, end.value());
  return row;
}

std::optional<ImportRow> ImportRow::decode(std::string_view from) {
  ByteReader reader(from);
  if (reader.take<uint8_t>() != kImportRowVersion) return std::nullopt;
  ImportRow row;
  row.month = Month(reader.take<uint32_t>());
  row.first = Offset(reader.take<int64_t>());
  row.end = Offset(reader.take<int64_t>());
  if (!reader.finished() || !is_month(row.month)) return std::nullopt;
  if (row.first < Offset(0) || row.end <= row.first) return std::nullopt;
  return row;
}

}  // namespace headrace::storage

// Keys: parsing never crashes, and what parses is what building it again gives.
#include <cstdint>
#include <string_view>

#include "metrics/check.h"
#include "storage/dedup_row.h"
#include "storage/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::storage;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto parts = parse_log_key(bytes)) {
    HR_CHECK(log_key(parts->kind, parts->partition, parts->base_offset).view() == bytes);
  }
  if (const auto parts = parse_offsets_key(bytes)) {
    HR_CHECK(offsets_key(parts->partition, parts->group, parts->lane).view() == bytes);
  }
  if (const auto parts = parse_delayed_key(bytes)) {
    if (parts->kind == DelayedKind::entry) {
      HR_CHECK(delayed_entry_key(parts->partition, parts->due_us, parts->sequence).view() == bytes);
    } else if (parts->kind == DelayedKind::id) {
      HR_CHECK(delayed_id_key(parts->partition, parts->id, parts->due_us, parts->sequence).view() ==
               bytes);
    } else {
      HR_CHECK(delayed_totals_key(parts->partition).view() == bytes);
    }
  }
  if (const auto parts = parse_dedup_key(bytes)) {
    HR_CHECK(dedup_key(parts->partition, parts->append_time_us, parts->base_offset).view() ==
             bytes);
  }
  if (const auto row = DedupRow::decode(bytes)) HR_CHECK(row->encode() == bytes);
  if (const auto trailing = parse_trailing_i64(bytes)) HR_CHECK(*trailing >= 0);
  for (size_t table = 0; table < kTableCount; ++table) {
    HR_CHECK(!to_text(static_cast<Table>(table), bytes).empty());
  }
  if (size <= Key::kCapacity) {
    const Key key(bytes);
    HR_CHECK(key.view() == bytes);
    const Key after = key.after_prefix();
    HR_CHECK(key < after || (size == Key::kCapacity && key == after));
  }
  return 0;
}

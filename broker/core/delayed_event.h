// An event that is not in the log yet: its row in the family delayed, its id, and the way back to
// the fields that are appended. An event that was published without an id gets one that names its
// row, as a header: its coordinates, which ids are computed from otherwise, are not known yet.
//
// Pure functions; the owner shard uses them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/shared_bytes.h"
#include "storage/batch.h"
#include "storage/types.h"

namespace headrace::core {

// Where a row sorts among those of its partition: due time (wall clock, µs), then the order of
// acceptance. Numbers are unique in a partition for ever: the shard's epoch and a count.
struct DelayedOrder {
  int64_t due_us = -1;
  uint64_t sequence = 0;
  auto operator<=>(const DelayedOrder&) const = default;
};

constexpr int kDelayedCountBits = 40;
constexpr uint64_t delayed_sequence(Epoch epoch, uint64_t count) {
  return uint64_t{epoch.value()} << kDelayedCountBits | count;
}

// "t2-0-d1.7": topic, partition, epoch and number of the row.
std::string delayed_id(const PartitionKey& partition, uint64_t sequence);

// The event's own id; empty if it has none.
std::string_view own_id(const storage::EventFields& event);

// A batch of this one event with `id` as its id.
SharedBytes build_event(const storage::EventFields& event, std::string_view id);

struct DelayedRow {
  SharedBytes event;
  int64_t accepted_us = 0;
  std::string violation = {};  // why handlers will not get it; empty: they will
};
std::string encode_delayed(const DelayedRow& row);
// nullopt if it does not parse or its event is no batch of one event.
std::optional<DelayedRow> decode_delayed(std::string_view row);

// Views into the batch of one event.
struct OpenedEvent {
  storage::EventFields fields;
  std::vector<storage::HeaderField> headers;
  std::string_view id;
  std::string_view type;
};
// False if it is no batch of one event. `opened` must stay where it is.
bool open_event(const SharedBytes& event, OpenedEvent* opened);

}  // namespace headrace::core

// The open batch of a partition: single events of one turn become one record batch, so that a
// thousand small publishes cost one row and one checksum.
//
// Lives on: owner shard, inside its Partition, within one turn.
#pragma once

#include <utility>

#include "broker/limits.h"
#include "storage/batch.h"
#include "storage/types.h"
#include "storage/violations.h"

namespace headrace::core {

// About what it takes in a batch.
inline size_t encoded_size(const storage::EventFields& event) {
  size_t size = 32 + (event.key ? event.key->size() : 0) + (event.value ? event.value->size() : 0);
  for (const auto& header : event.headers) {
    size += 8 + header.key.size() + (header.value ? header.value->size() : 0);
  }
  return size;
}

class Fold {
 public:
  bool empty() const { return builder_.empty(); }
  int32_t count() const { return builder_.count(); }

  // Whether an event of this size may still join. One larger than a fold gets a batch of its own.
  bool takes(size_t event_bytes) const {
    return builder_.empty() || (builder_.count() < limits::kFoldEvents &&
                                builder_.size() + event_bytes <= limits::kFoldBytes);
  }
  // `violation`: why the event is kept from handlers; empty: it is not.
  void add(const storage::EventFields& event, std::string_view violation) {
    if (!violation.empty()) violations_.add(static_cast<uint32_t>(builder_.count()), violation);
    builder_.add(event);
  }
  SharedBytes seal() { return builder_.finish(); }
  storage::Violations take_violations() { return std::exchange(violations_, {}); }

 private:
  storage::Violations violations_;
  storage::BatchBuilder builder_;
};

}  // namespace headrace::core

// What a search through a topic's history looks for; all that is given must hold. Tells from a
// chunk's rows whether to look into it at all.
//
// Pure, const after it was made; shared with workers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/filter.h"
#include "storage/lookup_rows.h"

namespace headrace::core {

struct EventQuery {
  Filter filter;               // types, any of them; conditions
  std::string id;              // as it was published
  std::string correlation_id;  // or the event whose own id it is: the first of the correlated ones
  std::optional<std::string> key;
  int64_t from_us = 0;  // append time, inclusive
  int64_t to_us = INT64_MAX;

  // False only if nothing in there matches.
  bool may_match(const storage::ChunkRow& row) const;
  // The batches of a chunk in which something may match, by their types: bit n is batch n.
  std::string may_match(const storage::ContentsRow& row) const;
  // An event that matches is in a batch with one of these entries; empty: nothing is known so.
  std::vector<uint64_t> entries() const;
  // Without the times, which are the batch's.
  bool matches(const storage::RecordView& record) const;
};
using EventQueryPtr = std::shared_ptr<const EventQuery>;

}  // namespace headrace::core

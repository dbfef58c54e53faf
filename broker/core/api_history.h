// Requests about what is in the log. As api.h.
#pragma once

#include <memory>
#include <vector>

#include "broker/core/api.h"
#include "broker/core/event_query.h"
#include "broker/core/type_rollup.h"

namespace headrace::core {

using OffsetsPtr = std::shared_ptr<const std::vector<Offset>>;  // ascending

struct FoundEvent {
  Offset offset;
  int64_t append_time_us = 0;
  SharedBytes event;           // a record batch v2 of this one event, at its offset
  std::string violation = {};  // why it is kept from handlers; empty: it is not
};

// Newest first. A page may hold fewer than were asked for, also none, and be followed by others:
// what one request looks at is bounded.
struct FindEvents final : RequestOf<Request::Kind::find_events> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  EventQueryPtr query;
  Offset before{INT64_MAX};  // only below it
  uint32_t page_size = 50;
  bool goes_on = false;  // its last page was not enough: much is read at once from the beginning
  OffsetsPtr only;       // of these alone; nullptr: of all
  // out
  std::vector<FoundEvent> events;
  Offset searched_to;  // everything from here to `before` is found
  bool more = false;   // there is something below searched_to
  Offset log_start;    // of the partition, as of now; likewise
  Offset visible_end;
};

// What happened to a topic's events, by type, from one time to another; by slots of five minutes,
// and as far as rows are kept. Counts of the last seconds may be missing after a crash.
struct ListTypes final : RequestOf<Request::Kind::list_types> {
  using RequestOf::RequestOf;
  struct Row {
    std::string type;
    bool unknown = false;  // of those whose type nobody looked at
    TypeCounts counts;
  };
  TopicPtr topic;
  int64_t from_us = 0;     // 0: 24 hours before `to_us`
  int64_t to_us = 0;       // 0: now
  std::vector<Row> types;  // out
};

}  // namespace headrace::core

// One event as JSON, with the fields of the command line's contract (docs/cli.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json/json_line.h"
#include "json/redactor.h"
#include "storage/event_attributes.h"

namespace headrace {

// A record and where it lies; views, for the time of a call.
struct EventView {
  std::string_view topic;
  uint32_t topic_id = 0;
  uint32_t partition = 0;
  int64_t offset = 0;
  int64_t append_time_us = 0;  // 0: not known
  uint32_t epoch = 0;          // of the shard that appended it: part of computed ids
  std::string_view status;     // in a group; empty: left out
  std::string_view violation;  // why it is kept from handlers; empty: left out
  // What is hidden, and then `redacted` is true; nullptr: nothing.
  const Redactor* redactor = nullptr;
  const storage::RecordView& record;
};

void event_fields(JsonLine* line, const EventView& event);

// Its own id or the computed one.
std::string event_id(const EventView& event, const storage::EventAttributes& attributes);
// Its own time, or the record's.
std::string event_time(const storage::EventAttributes& attributes, int64_t timestamp_ms);

}  // namespace headrace

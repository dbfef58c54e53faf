// CloudEvents as producers give them: attributes as headers of a record
// (storage/event_attributes.h), and structured-mode JSON.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/error.h"
#include "storage/batch.h"
#include "storage/event_attributes.h"

namespace headrace::client {

using storage::EventAttributes;
using storage::read_attributes;

using storage::kHeaderCausationId;
using storage::kHeaderContentType;
using storage::kHeaderCorrelationId;
using storage::kHeaderId;
using storage::kHeaderSchemaVersion;
using storage::kHeaderSource;
using storage::kHeaderSpecVersion;
using storage::kHeaderTime;
using storage::kHeaderTraceparent;
using storage::kHeaderType;

// An event to publish; it owns its bytes.
struct OutgoingEvent {
  std::optional<std::string> key;
  std::optional<std::string> data;  // absent: null
  int64_t timestamp_ms = 0;
  std::string id;  // as ce_id; empty: computed by readers
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;  // in order

  void set_header(std::string_view name, std::string_view value);  // nothing if the value is empty
  const std::string* header(std::string_view name) const;
  // Views into this event, for BatchBuilder; `fields` is scratch that must live as long.
  storage::EventFields view(std::vector<storage::HeaderField>* fields) const;
};

// One event of structured-mode CloudEvents 1.0 (JSON). Extensions become ce_<name> headers;
// `partitionkey` is the key, `traceparent` keeps its own name. `now_ms` is the time if it has none.
Result<OutgoingEvent> parse_cloud_event(std::string_view json, int64_t now_ms);

}  // namespace headrace::client

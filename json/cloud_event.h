// CloudEvents 1.0 on their way in: structured JSON, batches of it, and the attributes one by one as
// HTTP headers have them. Extensions become `ce_NAME` headers of the record; `partitionkey` is the
// key, `traceparent` keeps its own name (storage/event_attributes.h).
//
// Pure functions, any thread. What is wrong is said as "ATTRIBUTE: why"; empty: nothing is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace {

// Owns its bytes.
struct CloudEvent {
  std::optional<std::string> key;
  std::optional<std::string> data;  // absent: null
  std::optional<int64_t> timestamp_ms;
  std::string id;
  std::vector<std::pair<std::string, std::string>> headers;  // of the record, in their order

  void set_header(std::string_view name, std::string_view value);  // nothing if it is empty
};

std::string parse_cloud_event(std::string_view json, CloudEvent* event);

struct BatchedEvent {
  CloudEvent event;
  std::string wrong;  // with this one alone
};
// A JSON array of them, at most `most`.
std::string parse_cloud_events(std::string_view json, size_t most,
                               std::vector<BatchedEvent>* events);

// One attribute in its textual form; not `data` and `specversion`.
std::string set_attribute(std::string_view name, std::string_view value, CloudEvent* event);

// An HTTP header's value as the HTTP binding writes attributes: quoted, percent-encoded UTF-8.
// nullopt: it is neither.
std::optional<std::string> decode_attribute(std::string_view header_value);

}  // namespace headrace

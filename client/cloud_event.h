// CloudEvents attributes of an event, as headers of its record: the Kafka binding's names
// (cloudevents/spec, bindings/kafka-protocol-binding.md), so that other tools read them too.
//
//   ce_id ce_type ce_source ce_time content-type ce_correlationid ce_causationid traceparent
//   ce_schemaversion
//
// Defaults are computed when an event is read and are never stored: the id from where it lies,
// the time from its record, the correlation id from its id.
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

namespace headrace::client {

constexpr std::string_view kHeaderId = "ce_id";
constexpr std::string_view kHeaderType = "ce_type";
constexpr std::string_view kHeaderSource = "ce_source";
constexpr std::string_view kHeaderTime = "ce_time";
constexpr std::string_view kHeaderSpecVersion = "ce_specversion";
constexpr std::string_view kHeaderContentType = "content-type";
constexpr std::string_view kHeaderCorrelationId = "ce_correlationid";
constexpr std::string_view kHeaderCausationId = "ce_causationid";
constexpr std::string_view kHeaderTraceparent = "traceparent";
constexpr std::string_view kHeaderSchemaVersion = "ce_schemaversion";

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

// The id of an event that was published without one: t<topic>-<partition>-<offset>, and @<epoch> if
// the shard's epoch is above 1 (offsets that were never synced are used again after a crash).
std::string default_id(uint32_t topic_id, uint32_t partition, int64_t offset, uint32_t epoch);

// One event of structured-mode CloudEvents 1.0 (JSON). Extensions become ce_<name> headers;
// `partitionkey` is the key, `traceparent` keeps its own name. `now_ms` is the time if it has none.
Result<OutgoingEvent> parse_cloud_event(std::string_view json, int64_t now_ms);

// What readers see of a record.
struct EventAttributes {
  std::string_view id;  // empty: use default_id
  std::string_view type;
  std::string_view source;
  std::string_view time;  // empty: the record's timestamp
  std::string_view content_type;
  std::string_view correlation_id;  // empty: the id
  std::string_view causation_id;
  std::vector<storage::HeaderView> others;
};
EventAttributes read_attributes(const storage::RecordView& record);

std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);  // padding required

}  // namespace headrace::client

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
#include <string>
#include <string_view>
#include <vector>

#include "storage/batch.h"

namespace headrace::storage {

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

// The id of an event that was published without one: t<topic>-<partition>-<offset>, and @<epoch> if
// the shard's epoch is above 1 (offsets that were never synced are used again after a crash).
std::string default_event_id(uint32_t topic_id, uint32_t partition, int64_t offset, uint32_t epoch);

// What readers see of a record.
struct EventAttributes {
  std::string_view id;  // empty: use default_event_id
  std::string_view type;
  std::string_view source;
  std::string_view time;  // empty: the record's timestamp
  std::string_view content_type;
  std::string_view correlation_id;  // empty: the id
  std::string_view causation_id;
  std::vector<HeaderView> others;
};
EventAttributes read_attributes(const RecordView& record);

}  // namespace headrace::storage

#include "json/event.h"

#include <algorithm>

#include "metrics/base64.h"
#include "metrics/quantity.h"
#include "metrics/utf8.h"

namespace headrace {

namespace {

std::string value_json(const std::optional<std::string_view>& value) {
  if (!value) return "null";
  std::string json;
  if (is_utf8(*value)) {
    append_json_string(&json, *value);
  } else {
    JsonLine(&json).text("base64", encode_base64(*value)).end();
    json.pop_back();
  }
  return json;
}

// The values of names that are hidden are replaced; whether there were any.
bool hide_headers(const Redactor& redactor, std::vector<storage::HeaderView>* headers) {
  bool hidden = false;
  for (storage::HeaderView& header : *headers) {
    if (!header.value || !redactor.hides(header.key)) continue;
    header.value = kRedacted;
    hidden = true;
  }
  return hidden;
}

// An object; a name that occurs more than once has the array of its values.
std::string headers_json(const std::vector<storage::HeaderView>& headers) {
  std::string json = "{";
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto same = [&](const storage::HeaderView& other) { return other.key == headers[i].key; };
    const auto begin = headers.begin();
    if (std::any_of(begin, begin + static_cast<ptrdiff_t>(i), same)) continue;
    if (json.size() > 1) json += ',';
    append_json_string(&json, headers[i].key);
    json += ':';
    if (std::ranges::count_if(headers, same) == 1) {
      json += value_json(headers[i].value);
      continue;
    }
    char separator = '[';
    for (const storage::HeaderView& header : headers) {
      if (!same(header)) continue;
      json += separator;
      json += value_json(header.value);
      separator = ',';
    }
    json += ']';
  }
  return json + '}';
}

// Text, or base64 under another name when it is not UTF-8; null stays null.
void bytes_field(JsonLine* line, const std::string& name,
                 const std::optional<std::string_view>& bytes) {
  if (!bytes) {
    line->null(name);
  } else if (is_utf8(*bytes)) {
    line->text(name, *bytes);
  } else {
    line->text(name + "_base64", encode_base64(*bytes));
  }
}

}  // namespace

std::string event_time(const storage::EventAttributes& attributes, int64_t timestamp_ms) {
  const auto given_us = parse_time_us(attributes.time);
  return format_time_ms(given_us ? *given_us / 1000 : timestamp_ms);
}

std::string event_id(const EventView& event, const storage::EventAttributes& attributes) {
  if (!attributes.id.empty()) return std::string(attributes.id);
  return storage::default_event_id(event.topic_id, event.partition, event.offset, event.epoch);
}

void event_fields(JsonLine* line, const EventView& event) {
  storage::EventAttributes attributes = storage::read_attributes(event.record);
  std::optional<std::string_view> value = event.record.value;
  std::string shown;
  bool hidden = false;
  if (event.redactor != nullptr) {
    hidden = hide_headers(*event.redactor, &attributes.others);
    if (value && event.redactor->payload(*value, &shown)) {
      value = shown;
      hidden = true;
    }
  }
  const std::string id = event_id(event, attributes);
  line->text("topic", event.topic)
      .number("partition", event.partition)
      .number("offset", event.offset)
      .text("id", id)
      .text("type", attributes.type)
      .text("source", attributes.source);
  bytes_field(line, "key", event.record.key);
  line->text("time", event_time(attributes, event.record.timestamp_ms));
  if (event.append_time_us > 0) line->text("append_time", format_time_us(event.append_time_us));
  line->text("correlation_id", attributes.correlation_id.empty() ? id : attributes.correlation_id)
      .raw("headers", headers_json(attributes.others));
  bytes_field(line, "data", value);
  if (hidden) line->boolean("redacted", true);
  if (!event.status.empty()) line->text("status", event.status);
  if (!event.violation.empty()) line->text("schema_violation", event.violation);
}

}  // namespace headrace

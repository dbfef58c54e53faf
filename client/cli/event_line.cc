#include "client/cli/event_line.h"

#include <algorithm>

#include "client/cli/json_line.h"
#include "client/cloud_event.h"
#include "metrics/quantity.h"
#include "metrics/utf8.h"

namespace headrace::cli {

namespace {

std::string value_json(const std::optional<std::string_view>& value) {
  if (!value) return "null";
  std::string json;
  if (is_utf8(*value)) {
    append_json_string(&json, *value);
  } else {
    JsonLine(&json).text("base64", client::encode_base64(*value)).end();
    json.pop_back();
  }
  return json;
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
    line->text(name + "_base64", client::encode_base64(*bytes));
  }
}

}  // namespace

std::string event_time(const client::EventAttributes& attributes, int64_t timestamp_ms) {
  const auto given_us = parse_time_us(attributes.time);
  return format_time_ms(given_us ? *given_us / 1000 : timestamp_ms);
}

void event_fields(JsonLine* line, const proto::Topic& topic, const client::ReceivedEvent& event) {
  const client::EventAttributes attributes = client::read_attributes(event.record);
  std::string computed;
  if (attributes.id.empty()) computed = event_id(topic, event);
  const std::string_view id = attributes.id.empty() ? computed : attributes.id;
  line->text("topic", topic.name())
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
  bytes_field(line, "data", event.record.value);
}

std::string event_id(const proto::Topic& topic, const client::ReceivedEvent& event) {
  const client::EventAttributes attributes = client::read_attributes(event.record);
  if (!attributes.id.empty()) return std::string(attributes.id);
  return client::default_id(topic.id(), event.partition, event.offset, event.epoch);
}

void append_event(std::string* out, const proto::Topic& topic, const client::ReceivedEvent& event,
                  bool json) {
  if (!json) {
    if (event.record.value) *out += *event.record.value;
    *out += '\n';
    return;
  }
  JsonLine line(out);
  event_fields(&line, topic, event);
  line.end();
}

}  // namespace headrace::cli

#include "client/cloud_event.h"

#include <nlohmann/json.hpp>

#include "metrics/base64.h"
#include "metrics/quantity.h"

namespace headrace::client {

namespace {
using Json = nlohmann::ordered_json;

bool is_json_type(std::string_view content_type) {
  const std::string_view media = content_type.substr(0, content_type.find(';'));
  return media.empty() || media.ends_with("json");
}

// Extension attributes are JSON strings, booleans or integers; a header is their text.
std::string header_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Error required(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found != json.end() && found->is_string() && !found->get_ref<const std::string&>().empty()) {
    return {};
  }
  return bad_argument(std::string("a CloudEvent needs the attribute ") + name);
}

Error take_data(const Json& json, std::string_view content_type, OutgoingEvent* event) {
  const auto base64 = json.find("data_base64");
  const auto data = json.find("data");
  if (base64 != json.end() && data != json.end()) {
    return bad_argument("a CloudEvent has data or data_base64, not both");
  }
  if (base64 != json.end()) {
    if (base64->is_string()) event->data = decode_base64(base64->get_ref<const std::string&>());
    if (!event->data) return bad_argument("data_base64 is not base64");
  } else if (data != json.end() && !data->is_null()) {
    // Text of a declared non-JSON type is the payload itself; anything else is JSON.
    const bool raw = data->is_string() && !is_json_type(content_type);
    event->data = raw ? data->get<std::string>() : data->dump();
  }
  return {};
}

Error take_attribute(const std::string& name, const Json& value, OutgoingEvent* event) {
  if (name == "data" || name == "data_base64" || name == "specversion" || value.is_null())
    return {};
  if (value.is_object() || value.is_array()) {
    return bad_argument("the attribute " + name + " is not a string, number or boolean");
  }
  const std::string text = header_text(value);
  if (name == "id") {
    event->id = text;
  } else if (name == "datacontenttype") {
    event->set_header(kHeaderContentType, text);
  } else if (name == "traceparent") {
    event->set_header(kHeaderTraceparent, text);
  } else if (name == "partitionkey") {
    event->key = text;
  } else if (name == "time") {
    const std::optional<int64_t> time_us = parse_time_us(text);
    if (!time_us) return bad_argument("the attribute time is not an RFC 3339 time");
    event->timestamp_ms = *time_us / 1000;
    // The record keeps milliseconds; the attribute keeps the sender's text.
    event->set_header(kHeaderTime, text);
  } else {
    event->set_header("ce_" + name, text);
  }
  return {};
}

}  // namespace

void OutgoingEvent::set_header(std::string_view name, std::string_view value) {
  if (!value.empty()) headers.emplace_back(std::string(name), std::string(value));
}

const std::string* OutgoingEvent::header(std::string_view name) const {
  for (const auto& [key_name, value] : headers) {
    if (key_name == name && value) return &*value;
  }
  return nullptr;
}

storage::EventFields OutgoingEvent::view(std::vector<storage::HeaderField>* fields) const {
  fields->clear();
  if (!id.empty()) fields->push_back({kHeaderId, id});
  for (const auto& [name, value] : headers) {
    fields->push_back({name, value ? std::optional<std::string_view>(*value) : std::nullopt});
  }
  storage::EventFields event;
  if (key) event.key = *key;
  if (data) event.value = *data;
  event.timestamp_ms = timestamp_ms;
  event.headers = *fields;
  return event;
}

Result<OutgoingEvent> parse_cloud_event(std::string_view text, int64_t now_ms) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return bad_argument("the line is not a JSON object");
  for (const char* name : {"specversion", "id", "type", "source"}) {
    if (Error error = required(json, name)) return error;
  }
  if (json["specversion"] != "1.0") return bad_argument("specversion is not 1.0");
  OutgoingEvent event;
  event.timestamp_ms = now_ms;
  for (const auto& [name, value] : json.items()) {
    if (Error error = take_attribute(name, value, &event)) return error;
  }
  const std::string* content_type = event.header(kHeaderContentType);
  if (Error error = take_data(json, content_type != nullptr ? *content_type : "", &event)) {
    return error;
  }
  return event;
}

}  // namespace headrace::client

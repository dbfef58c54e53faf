#include "json/cloud_event.h"

#include <algorithm>

#include "json/strict_json.h"
#include "metrics/base64.h"
#include "metrics/quantity.h"
#include "metrics/utf8.h"
#include "storage/event_attributes.h"

namespace headrace {

namespace {
using Json = nlohmann::ordered_json;

// Writing JSON out again takes stack by its depth.
constexpr int kDepthMax = 100;

std::string parse(std::string_view text, Json* json) {
  StrictFindings findings;
  *json = parse_strict<Json>(text, kDepthMax, &findings);
  if (json->is_discarded()) return "not JSON, from byte " + std::to_string(json_error_at(text));
  if (findings.too_deep) return "data: is nested too deeply";
  return findings.twice.empty() ? "" : findings.twice + ": is given more than once";
}

bool is_json_type(std::string_view content_type) {
  const std::string_view media = content_type.substr(0, content_type.find(';'));
  return media.empty() || media.ends_with("json");
}

std::string take_data(const Json& json, std::string_view content_type, CloudEvent* event) {
  const auto base64 = json.find("data_base64");
  const auto data = json.find("data");
  if (base64 != json.end() && data != json.end()) {
    return "data_base64: there is data already";
  }
  if (base64 != json.end()) {
    if (base64->is_string()) event->data = decode_base64(base64->get_ref<const std::string&>());
    if (!event->data) return "data_base64: is not base64";
  } else if (data != json.end() && !data->is_null()) {
    // Text of a declared non-JSON type is the payload itself; anything else is JSON.
    const bool raw = data->is_string() && !is_json_type(content_type);
    event->data = raw ? data->get<std::string>() : data->dump();
  }
  return {};
}

std::string take_attribute(const std::string& name, const Json& value, CloudEvent* event) {
  if (name == "data" || name == "data_base64" || name == "specversion" || value.is_null())
    return {};
  if (value.is_object() || value.is_array() || value.is_number_float()) {
    return name + ": is not a string, a whole number or a boolean";
  }
  return set_attribute(name, value.is_string() ? value.get<std::string>() : value.dump(), event);
}

std::string take(const Json& json, CloudEvent* event) {
  if (!json.is_object()) return "the event is not a JSON object";
  for (const char* name : {"specversion", "id", "type", "source"}) {
    const auto found = json.find(name);
    const bool there =
        found != json.end() && found->is_string() && !found->get_ref<const std::string&>().empty();
    if (!there) return std::string(name) + ": a CloudEvent needs it, as a string";
  }
  if (json["specversion"] != "1.0") return "specversion: is not 1.0";
  for (const auto& [name, value] : json.items()) {
    if (std::string wrong = take_attribute(name, value, event); !wrong.empty()) return wrong;
  }
  std::string_view content_type;
  for (const auto& [name, value] : event->headers) {
    if (name == storage::kHeaderContentType) content_type = value;
  }
  return take_data(json, content_type, event);
}

// The specification's name of an attribute; ours have `_` in none.
bool is_attribute_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void CloudEvent::set_header(std::string_view name, std::string_view value) {
  if (!value.empty()) headers.emplace_back(std::string(name), std::string(value));
}

std::string set_attribute(std::string_view name, std::string_view value, CloudEvent* event) {
  const std::string named(name);
  if (!is_attribute_name(name)) return named + ": names are of a-z and 0-9";
  if (has_control(value)) return named + ": holds a control character";
  if (name == "id") {
    event->id = value;
  } else if (name == "datacontenttype") {
    event->set_header(storage::kHeaderContentType, value);
  } else if (name == "traceparent") {
    event->set_header(storage::kHeaderTraceparent, value);
  } else if (name == "partitionkey") {
    event->key = value;
  } else if (name == "time") {
    const std::optional<int64_t> time_us = parse_time_us(value);
    if (!time_us) return "time: is not an RFC 3339 time";
    event->timestamp_ms = *time_us / 1000;
    // The record keeps milliseconds; the attribute keeps the sender's text.
    event->set_header(storage::kHeaderTime, value);
  } else {
    event->set_header("ce_" + named, value);
  }
  return {};
}

std::string parse_cloud_event(std::string_view text, CloudEvent* event) {
  Json json;
  if (std::string wrong = parse(text, &json); !wrong.empty()) return wrong;
  return take(json, event);
}

std::string parse_cloud_events(std::string_view text, size_t most,
                               std::vector<BatchedEvent>* events) {
  Json json;
  if (std::string wrong = parse(text, &json); !wrong.empty()) return wrong;
  if (!json.is_array()) return "a batch is a JSON array";
  if (json.size() > most) return "a batch has at most " + std::to_string(most) + " events";
  for (const Json& one : json) {
    BatchedEvent& event = events->emplace_back();
    event.wrong = take(one, &event.event);
  }
  return {};
}

std::optional<std::string> decode_attribute(std::string_view value) {
  std::string unquoted;
  if (value.starts_with('"')) {
    if (value.size() < 2 || !value.ends_with('"')) return std::nullopt;
    value = value.substr(1, value.size() - 2);
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '"') return std::nullopt;
      if (value[i] == '\\' && ++i == value.size()) return std::nullopt;
      unquoted += value[i];
    }
    value = unquoted;
  }
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '%') {
      text += value[i];
      continue;
    }
    const int high = i + 2 < value.size() ? hex_digit(value[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(value[i + 2]) : -1;
    if (low < 0) return std::nullopt;
    text += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (!is_utf8(text)) return std::nullopt;
  return text;
}

}  // namespace headrace

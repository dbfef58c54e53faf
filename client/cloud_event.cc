#include "client/cloud_event.h"

#include "json/cloud_event.h"

namespace headrace::client {

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

Result<OutgoingEvent> parse_cloud_event(std::string_view json, int64_t now_ms) {
  CloudEvent parsed;
  const std::string wrong = headrace::parse_cloud_event(json, &parsed);
  if (!wrong.empty()) return bad_argument("not a CloudEvent: " + wrong);
  OutgoingEvent event;
  event.key = std::move(parsed.key);
  event.data = std::move(parsed.data);
  event.timestamp_ms = parsed.timestamp_ms.value_or(now_ms);
  event.id = std::move(parsed.id);
  for (auto& [name, value] : parsed.headers) {
    event.headers.emplace_back(std::move(name), std::move(value));
  }
  return event;
}

}  // namespace headrace::client

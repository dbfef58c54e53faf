#include "broker/admin/event_body.h"

#include <algorithm>

#include "broker/limits.h"
#include "storage/event_attributes.h"

namespace headrace::admin {
namespace {

using core::ErrorCode;

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

core::Error invalid(std::string why) {
  return {ErrorCode::invalid_request, std::move(why)};
}

bool has_attributes(const http::Request& request) {
  return std::ranges::any_of(
      request.headers, [](const auto& header) { return lower(header.first).starts_with("ce-"); });
}

// One header of binary mode.
core::Error take_header(const std::string& header, std::string_view value,
                        std::vector<std::string>* seen, CloudEvent* event) {
  const std::string name = header.substr(3);
  if (std::ranges::find(*seen, name) != seen->end()) {
    return invalid(header + ": is given more than once");
  }
  seen->push_back(name);
  const auto text = decode_attribute(value);
  if (!text) return invalid(header + ": is not percent-encoded UTF-8");
  if (name == "specversion") {
    return *text == "1.0" ? core::Error() : invalid(header + ": is not 1.0");
  }
  if (name == "data" || name == "datacontenttype" || name == "data_base64") {
    return invalid(header + ": the body is the data, Content-Type its type");
  }
  const std::string wrong = set_attribute(name, *text, event);
  return wrong.empty() ? core::Error() : invalid("ce-" + wrong);
}

core::Error read_binary(const http::Request& request, CloudEvent* event) {
  std::vector<std::string> seen;
  for (const auto& [name, value] : request.headers) {
    const std::string header = lower(name);
    if (!header.starts_with("ce-")) continue;
    if (core::Error error = take_header(header, value, &seen, event)) return error;
  }
  for (const char* name : {"specversion", "id", "type", "source"}) {
    if (std::ranges::find(seen, name) == seen.end()) {
      return invalid("ce-" + std::string(name) + ": a CloudEvent needs it");
    }
  }
  if (event->id.empty()) return invalid("ce-id: must not be empty");
  return {};
}

void take_data(const http::Request& request, CloudEvent* event) {
  event->set_header(storage::kHeaderContentType, request.header("Content-Type").value_or(""));
  event->data = request.body;
}

// JSON is UTF-8; whoever declares another encoding means something else.
bool is_utf8_text(const http::Request& request) {
  const std::string declared = lower(request.header("Content-Type").value_or(""));
  const size_t at = declared.find("charset=");
  if (at == std::string::npos) return true;
  const std::string charset = declared.substr(at + 8);
  return charset.starts_with("utf-8") || charset.starts_with("\"utf-8\"");
}

}  // namespace

core::Error read_events(const http::Request& request, EventBody* body) {
  using Mode = EventBody::Mode;
  const bool batch = request.content_is("application/cloudevents-batch+json");
  if (batch || request.content_is("application/cloudevents+json")) {
    if (!is_utf8_text(request)) {
      return {ErrorCode::unsupported_media_type, "of events in JSON the charset is utf-8"};
    }
    body->mode = batch ? Mode::batch : Mode::structured;
    std::string wrong;
    if (batch) {
      wrong = parse_cloud_events(request.body, limits::kEventsPerPublish, &body->events);
    } else {
      wrong = parse_cloud_event(request.body, &body->events.emplace_back().event);
    }
    return wrong.empty() ? core::Error() : invalid(wrong);
  }
  if (lower(request.header("Content-Type").value_or("")).starts_with("application/cloudevents")) {
    return {ErrorCode::unsupported_media_type, "or JSON, of the formats of CloudEvents"};
  }
  CloudEvent& event = body->events.emplace_back().event;
  if (has_attributes(request)) {
    body->mode = Mode::binary;
    take_data(request, &event);
    return read_binary(request, &event);
  }
  if (!request.content_is("application/json")) {
    return {ErrorCode::unsupported_media_type, "or have the event's attributes as ce- headers"};
  }
  take_data(request, &event);
  return {};
}

}  // namespace headrace::admin

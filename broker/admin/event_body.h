// The events in a request's body, in the modes of the CloudEvents HTTP binding:
//   binary      ce-* headers; the body is the data, of any type
//   structured  application/cloudevents+json
//   batch       application/cloudevents-batch+json
// and plain: application/json without such headers, whose body is the data of an event that has its
// attributes in the query. Anything else needs ce-specversion, which no foreign web page may send.
//
// Pure; the HTTP thread.
#pragma once

#include <vector>

#include "broker/core/error.h"
#include "json/cloud_event.h"
#include "net/http/message.h"

namespace headrace::admin {

struct EventBody {
  enum class Mode : uint8_t { plain, binary, structured, batch };

  Mode mode = Mode::plain;
  std::vector<BatchedEvent> events;  // one, but of a batch
};

// unsupported_media_type, or invalid_request naming the header or attribute.
core::Error read_events(const http::Request& request, EventBody* body);

}  // namespace headrace::admin

// A publish of single events, between the protocol's messages and the core's request.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "broker/core/api.h"
#include "headrace.pb.h"

namespace headrace::native {

// Whether the message, of so many bytes, fits its payload and its own fields; names what does not.
core::Error check_publish(const proto::Publish& message, size_t message_size, size_t payload_size,
                          uint32_t max_batch_bytes);

// Fills `request`, whose topic is set: its views point into `message` and `payload`, which it
// keeps. `next_lane` gives the lane of an event without key and partition. An error: nothing of it
// may be published; an item's own error is in the item.
core::Error from_proto(std::shared_ptr<const proto::Publish> message, SharedBytes payload,
                       int64_t now_us, const std::function<uint32_t()>& next_lane,
                       core::PublishEvents* request);

// Whether any item is left to publish.
bool any_sound(const core::PublishEvents& request);

void to_proto(const core::PublishEvents& published, const proto::Publish& asked,
              proto::PublishOk* ok);

}  // namespace headrace::native

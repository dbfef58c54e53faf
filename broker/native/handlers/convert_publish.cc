#include "broker/native/handlers/convert_publish.h"

#include <algorithm>

#include "broker/limits.h"
#include "broker/native/handlers/convert.h"
#include "metrics/crc32c.h"

namespace headrace::native {
namespace {

using Item = core::PublishEvents::Item;

void add_header(Item* item, std::string_view key, const std::string& value) {
  if (!value.empty()) item->headers.push_back({key, std::string_view(value)});
}

core::Error check_headers(const proto::Event& event) {
  if (static_cast<uint32_t>(event.headers_size()) > limits::kHeadersPerEvent) {
    return {core::ErrorCode::invalid_request,
            "headers: at most " + std::to_string(limits::kHeadersPerEvent)};
  }
  for (const auto& header : event.headers()) {
    if (header.key().starts_with("hr_")) return core::Error(core::ErrorCode::reserved_header);
  }
  return {};
}

// Fills the item; its value are the next bytes of the payload.
core::Error fill(const proto::Event& event, std::string_view* payload, int64_t now_ms, Item* item) {
  if (event.has_key()) item->fields.key = event.key();
  if (event.has_value_size()) {
    item->fields.value = payload->substr(0, event.value_size());
    payload->remove_prefix(event.value_size());
    if (event.has_crc32c() && event.crc32c() != crc32c_extend(0, item->fields.value->data(),
                                                              item->fields.value->size())) {
      return core::Error(core::ErrorCode::corrupt_event);
    }
  }
  item->fields.timestamp_ms = event.has_timestamp_ms() ? event.timestamp_ms() : now_ms;
  item->headers.reserve(3 + static_cast<size_t>(event.headers_size()));
  add_header(item, "ce_id", event.id());
  add_header(item, "ce_type", event.type());
  add_header(item, "ce_source", event.source());
  for (const auto& header : event.headers()) {
    item->headers.push_back({header.key(), header.has_value()
                                               ? std::optional<std::string_view>(header.value())
                                               : std::nullopt});
  }
  item->fields.headers = item->headers;
  return check_headers(event);
}

core::Error check_shape(const proto::Publish& message, size_t payload_size) {
  const auto count = static_cast<uint32_t>(message.events_size());
  if (count == 0 || count > limits::kEventsPerPublish) {
    return {core::ErrorCode::invalid_request, "events: 1 to " +
                                                  std::to_string(limits::kEventsPerPublish) +
                                                  ", got " + std::to_string(count)};
  }
  uint64_t values = 0;
  for (const auto& event : message.events()) values += event.value_size();
  if (values != payload_size) {
    return {core::ErrorCode::malformed_message, "the events' value_size add up to " +
                                                    std::to_string(values) + ", the payload has " +
                                                    std::to_string(payload_size) + " bytes"};
  }
  if (message.has_producer_id() && !message.has_partition()) {
    return {core::ErrorCode::invalid_request, "an idempotent publish names its partition"};
  }
  if (message.has_producer_id() && (message.producer_id() < 0 || message.sequence() < 0)) {
    return {core::ErrorCode::invalid_request, "producer_id and sequence must not be negative"};
  }
  return {};
}

// When the events shall be appended; 0: now.
core::Error due_of(const proto::Publish& message, int64_t now_us, int64_t* due_us) {
  *due_us = 0;
  if (!message.has_delay_ms() && !message.has_due_us()) return {};
  auto refuse = [](std::string why) {
    return core::Error(core::ErrorCode::invalid_request, std::move(why));
  };
  if (message.has_delay_ms() && message.has_due_us()) {
    return refuse("delay_ms and due_us: give one of them");
  }
  if (message.atomic()) return refuse("delay_ms, due_us: an atomic publish is stored at once");
  constexpr int64_t kMaxMs = limits::kDelayUsMax / kMicrosPerMilli;
  if (message.has_delay_ms()) {
    if (message.delay_ms() < 0 || message.delay_ms() > kMaxMs) {
      return refuse("delay_ms: 0 to " + std::to_string(kMaxMs) + " (31 days)");
    }
    *due_us = now_us + message.delay_ms() * kMicrosPerMilli;
    return {};
  }
  if (message.due_us() < 0 || message.due_us() > now_us + limits::kDelayUsMax) {
    return refuse("due_us: at most 31 days from now");
  }
  *due_us = message.due_us();
  return {};
}

PartitionId lane_of(const proto::Publish& message, const proto::Event& event, uint32_t partitions,
                    const std::function<uint32_t()>& next_lane) {
  if (message.has_partition()) return PartitionId(message.partition());
  if (event.has_key()) return partition_of_key(event.key(), partitions);
  return PartitionId(next_lane() % partitions);
}

}  // namespace

core::Error check_publish(const proto::Publish& message, size_t message_size, size_t payload_size,
                          uint32_t max_batch_bytes) {
  if (core::Error error = check_shape(message, payload_size)) return error;
  // An event must fit a batch, so that whoever fetches it can be sent it.
  const size_t encoded = payload_size + message_size + storage::kBatchHeaderSize;
  if (encoded > max_batch_bytes) {
    return {core::ErrorCode::too_large, std::to_string(encoded) + " bytes"};
  }
  if (!from_proto(message.durability())) {
    return {core::ErrorCode::invalid_request, "durability: unknown number"};
  }
  return {};
}

core::Error from_proto(std::shared_ptr<const proto::Publish> message, SharedBytes payload,
                       int64_t now_us, const std::function<uint32_t()>& next_lane,
                       core::PublishEvents* request) {
  if (core::Error error = due_of(*message, now_us, &request->due_us)) return error;
  request->payload = std::move(payload);
  request->items.resize(static_cast<size_t>(message->events_size()));
  std::string_view values = request->payload.view();
  for (int i = 0; i < message->events_size(); ++i) {
    const proto::Event& event = message->events(i);
    Item& item = request->items[static_cast<size_t>(i)];
    item.partition = message->atomic() && i > 0
                         ? request->items[0].partition
                         : lane_of(*message, event, request->topic->partitions, next_lane);
    item.error = fill(event, &values, now_us / kMicrosPerMilli, &item);
    // All or none, and a producer's sequence numbers count every item.
    if (item.error && (message->atomic() || message->has_producer_id())) return item.error;
  }
  request->atomic = message->atomic();
  request->durability = *from_proto(message->durability());
  if (message->has_producer_id()) {
    request->producer = ProducerId(message->producer_id());
    request->producer_epoch = static_cast<int16_t>(message->producer_epoch());
    request->sequence = message->sequence();
  }
  request->message = std::move(message);
  return {};
}

bool any_sound(const core::PublishEvents& request) {
  return std::ranges::any_of(request.items, [](const Item& item) { return !item.error; });
}

void to_proto(const core::PublishEvents& published, const proto::Publish& asked,
              proto::PublishOk* ok) {
  ok->set_append_time_us(published.append_time_us);
  ok->set_durability(to_proto(published.durability));
  ok->set_topic_id(published.topic->id.value());
  for (size_t i = 0; i < published.items.size(); ++i) {
    const Item& item = published.items[i];
    auto* result = ok->add_results();
    result->set_partition(item.partition.value());
    result->set_offset(item.offset.value());
    result->set_duplicate(item.duplicate);
    if (item.error) {
      result->set_error_code(static_cast<uint32_t>(item.error.code));
      result->set_error(item.error.message());
      continue;
    }
    if (item.due_us > 0) {
      result->set_due_us(item.due_us);
      result->set_id(item.id);
      continue;
    }
    const std::string& id = asked.events(static_cast<int>(i)).id();
    result->set_id(!id.empty() ? id
                               : default_event_id(published.topic->id, item.partition, item.offset,
                                                  published.epoch));
  }
}

}  // namespace headrace::native

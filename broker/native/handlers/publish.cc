// publish: single events, folded with others of the same turn; or atomic: one batch, all or none.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"
#include "metrics/counters.h"
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

PartitionId lane_of(Session& session, const proto::Publish& message, const proto::Event& event,
                    uint32_t partitions) {
  if (message.has_partition()) return PartitionId(message.partition());
  if (event.has_key()) return partition_of_key(event.key(), partitions);
  return PartitionId(session.next_round_robin() % partitions);
}

void answer(Session& to, const net::native::FrameHeader& header, core::PublishEvents& published,
            const proto::Publish& asked) {
  if (published.error) {
    metrics::add(metrics::Counter::publish_rejected);
    return to.fail(header, published.error);
  }
  proto::PublishOk ok;
  ok.set_append_time_us(published.append_time_us);
  ok.set_durability(to_proto(published.durability));
  ok.set_topic_id(published.topic->id.value());
  for (size_t i = 0; i < published.items.size(); ++i) {
    const Item& item = published.items[i];
    auto* result = ok.add_results();
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
  to.reply(header, ok);
}

}  // namespace

void handle_publish(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto message = std::make_shared<proto::Publish>();
  if (!session.parse(frame, message.get())) return;
  auto refuse = [&](const core::Error& error) {
    metrics::add(metrics::Counter::publish_rejected);
    session.fail(header, error);
  };
  if (core::Error error = session.may_publish()) return refuse(error);
  if (core::Error error = check_shape(*message, frame.payload.size())) return refuse(error);
  // An event must fit a batch, so that whoever fetches it can be sent it.
  const size_t encoded = frame.payload.size() + frame.message.size() + storage::kBatchHeaderSize;
  if (encoded > session.server().options().max_batch_bytes) {
    return refuse({core::ErrorCode::too_large, std::to_string(encoded) + " bytes"});
  }
  const auto durability = from_proto(message->durability());
  if (!durability) return refuse({core::ErrorCode::invalid_request, "durability: unknown number"});

  auto request = std::make_unique<core::PublishEvents>(session.tenant());
  core::Error error = due_of(*message, session.now().wall_us, &request->due_us);
  if (error) return refuse(error);
  request->topic = session.publish_topic(message->topic(), &error);
  if (request->topic == nullptr) return refuse(error);
  request->payload = std::move(frame.payload);
  request->items.resize(static_cast<size_t>(message->events_size()));
  std::string_view payload = request->payload.view();
  bool any = false;
  for (int i = 0; i < message->events_size(); ++i) {
    const proto::Event& event = message->events(i);
    Item& item = request->items[static_cast<size_t>(i)];
    item.partition = message->atomic() && i > 0
                         ? request->items[0].partition
                         : lane_of(session, *message, event, request->topic->partitions);
    item.error = fill(event, &payload, session.now().wall_us / kMicrosPerMilli, &item);
    any = any || !item.error;
    // All or none, and a producer's sequence numbers count every item.
    if (item.error && (message->atomic() || message->has_producer_id())) return refuse(item.error);
  }
  if (!any) return answer(session, header, *request, *message);
  request->atomic = message->atomic();
  request->durability = *durability;
  if (message->has_producer_id()) {
    request->producer = ProducerId(message->producer_id());
    request->producer_epoch = static_cast<int16_t>(message->producer_epoch());
    request->sequence = message->sequence();
  }
  request->message = message;
  request->shard = request->topic->shard;
  const size_t bytes = header.total_size();
  session.ask(std::move(request), bytes, [header, message](Session& to, core::RequestPtr reply) {
    answer(to, header, core::as<core::PublishEvents>(*reply), *message);
  });
}

void handle_init_producer(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto request = std::make_unique<core::InitProducer>(session.tenant());
  request->shard = kMetaShard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& given = core::as<core::InitProducer>(*reply);
    if (given.error) return to.fail(header, given.error);
    proto::InitProducerOk ok;
    ok.set_producer_id(given.producer.value());
    ok.set_producer_epoch(given.producer_epoch);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

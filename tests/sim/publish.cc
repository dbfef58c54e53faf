#include "tests/sim/publish.h"

#include <charconv>

#include "broker/core/error.h"
#include "storage/batch.h"

namespace headrace::sim {
namespace {

using storage::BatchBuilder;
using storage::Codec;

proto::Durability to_proto(Durability durability) {
  return durability == Durability::durable   ? proto::DURABLE
         : durability == Durability::written ? proto::WRITTEN
                                             : proto::MEMORY;
}

Value value_at(const Publish& publish, uint32_t i) {
  return {publish.producer, publish.first_number + i};
}

// "producer:number:" and padding.
std::optional<Value> parse_value(std::string_view text) {
  if (text.starts_with('"')) text.remove_prefix(1);  // JSON, of a type that has a schema
  Value value;
  const char* end = text.data() + text.size();
  const auto producer = std::from_chars(text.data(), end, value.producer);
  if (producer.ec != std::errc() || producer.ptr == end || *producer.ptr != ':') return {};
  const auto number = std::from_chars(producer.ptr + 1, end, value.number);
  if (number.ec != std::errc() || number.ptr == end || *number.ptr != ':') return {};
  return value;
}

// A computed id ends with the shard's epoch unless that is the first (docs/protocol.md).
uint32_t epoch_of(const std::string& id) {
  const size_t at = id.find('@');
  return at == std::string::npos ? 1 : static_cast<uint32_t>(std::stoul(id.substr(at + 1)));
}

Outcome failed(const Reply& reply) {
  Outcome outcome;
  outcome.kind = reply.kind;
  outcome.error_code = reply.error.code();
  outcome.error = reply.error.message();
  return outcome;
}

Outcome of_events(const Publish& publish, const Reply& reply) {
  if (!reply.ok()) return failed(reply);
  const auto ok = reply.as<proto::PublishOk>();
  Outcome outcome{Reply::Kind::ok, 0, {}, {}, false, ok.append_time_us()};
  for (int i = 0; i < ok.results_size(); ++i) {
    const auto& result = ok.results(i);
    if (result.error_code() != 0) continue;
    outcome.duplicate = result.duplicate();
    outcome.events.push_back({{publish.lane.topic, result.partition()},
                              value_at(publish, static_cast<uint32_t>(i)),
                              result.offset(),
                              publish.durability,
                              publish.stamp.has_value(),
                              epoch_of(result.id())});
  }
  return outcome;
}

Outcome of_batch(const Publish& publish, const Reply& reply) {
  if (!reply.ok()) return failed(reply);
  const auto ok = reply.as<proto::PublishBatchOk>();
  Outcome outcome{Reply::Kind::ok, 0, {}, {}, ok.duplicate(), ok.append_time_us()};
  for (uint32_t i = 0; i < publish.count; ++i) {
    outcome.events.push_back({publish.lane, value_at(publish, i), ok.base_offset() + i,
                              publish.durability, publish.stamp.has_value(), ok.epoch()});
  }
  return outcome;
}

void send_batch(Wire& wire, const Publish& publish, std::function<void(const Outcome&)> then) {
  BatchBuilder builder;
  if (publish.stamp) {
    builder.set_producer(ProducerId(publish.stamp->id), static_cast<int16_t>(publish.stamp->epoch),
                         publish.stamp->sequence);
  }
  for (uint32_t i = 0; i < publish.count; ++i) {
    const std::string value = value_text(value_at(publish, i), publish.padding, publish.lane.topic);
    const std::string key = key_text(value_at(publish, i));
    storage::EventFields event;
    event.key = key;
    event.value = value;
    event.timestamp_ms = 1;
    builder.add(event);
  }
  const bool compressed = publish.form == Publish::Form::compressed;
  const SharedBytes batch = builder.finish(compressed ? Codec::lz4 : Codec::none);
  proto::PublishBatch message;
  message.set_topic(publish.lane.topic);
  message.set_partition(publish.lane.partition);
  message.set_durability(to_proto(publish.durability));
  if (compressed) message.mutable_summary()->set_types_unknown(true);
  wire.ask(
      MessageType::publish_batch, message, batch.view(),
      [publish, then = std::move(then)](const Reply& reply) { then(of_batch(publish, reply)); });
}

}  // namespace

void draw_form(test::Prng& prng, Publish* publish) {
  publish->form = static_cast<Publish::Form>(prng.below(4));
  publish->count = publish->form == Publish::Form::events && prng.chance(0.5)
                       ? 1
                       : static_cast<uint32_t>(prng.between(1, 8));
  publish->padding = prng.chance(0.05) ? prng.below(4'000) : prng.below(200);
}

bool is_expected(uint32_t code) {
  using core::ErrorCode;
  for (const auto error :
       {ErrorCode::busy, ErrorCode::disk_full, ErrorCode::not_owner, ErrorCode::outcome_unknown,
        ErrorCode::shutting_down, ErrorCode::loading, ErrorCode::timed_out,
        ErrorCode::topic_deleting, ErrorCode::unknown_topic, ErrorCode::quota_exceeded}) {
    if (code == static_cast<uint32_t>(error)) return true;
  }
  return false;
}

std::string key_text(const Value& value) {
  return "k" + std::to_string(value.number % kKeys);
}

std::string value_text(const Value& value, size_t padding, std::string_view topic) {
  return std::to_string(value.producer) + ":" + std::to_string(value.number) + ":" +
         mark_of(tenant_of(topic)) + std::string(padding, '.');
}

void send(Wire& wire, const Publish& publish, std::function<void(const Outcome&)> then) {
  if (publish.form == Publish::Form::batch || publish.form == Publish::Form::compressed) {
    return send_batch(wire, publish, std::move(then));
  }
  proto::Publish message;
  message.set_topic(publish.lane.topic);
  if (!publish.spread) message.set_partition(publish.lane.partition);
  message.set_durability(to_proto(publish.durability));
  message.set_atomic(publish.form == Publish::Form::atomic);
  if (publish.stamp) {
    message.set_producer_id(publish.stamp->id);
    message.set_producer_epoch(publish.stamp->epoch);
    message.set_sequence(publish.stamp->sequence);
  }
  std::string payload;
  for (uint32_t i = 0; i < publish.count; ++i) {
    const std::string value = value_text(value_at(publish, i), publish.padding, publish.lane.topic);
    auto* event = message.add_events();
    event->set_value_size(static_cast<uint32_t>(value.size()));
    event->set_key(key_text(value_at(publish, i)));
    payload += value;
  }
  wire.ask(
      MessageType::publish, message, payload,
      [publish, then = std::move(then)](const Reply& reply) { then(of_events(publish, reply)); });
}

bool read_batches(const Lane& lane, std::string_view payload, const std::vector<uint32_t>& sizes,
                  const std::vector<int64_t>& times_us, int64_t from, uint32_t reader,
                  std::vector<Seen>* events) {
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > payload.size() || i >= times_us.size()) return false;
    const auto batch = std::as_bytes(std::span(payload.substr(0, sizes[i])));
    payload.remove_prefix(sizes[i]);
    storage::BatchHeader header;
    if (storage::check_header(batch, &header) != storage::BatchError::ok) return false;
    std::string scratch;
    std::span<const std::byte> records;
    if (storage::records_of(batch, header, &scratch, 16u << 20, &records) !=
        storage::BatchError::ok) {
      return false;
    }
    storage::RecordReader reading(records, header);
    storage::RecordView record;
    while (reading.next(&record)) {
      const int64_t offset = header.base_offset + record.offset_delta;
      const auto value = record.value ? parse_value(*record.value) : std::nullopt;
      if (!value) return false;
      if (offset >= from)
        events->push_back({lane, *value, offset, times_us[i], reader,
                           static_cast<uint32_t>(header.leader_epoch),
                           std::string(record.key.value_or(""))});
    }
    if (reading.error() != storage::BatchError::ok) return false;
  }
  return payload.empty();
}

bool read_events(const Lane& lane,
                 const google::protobuf::RepeatedPtrField<proto::DeliveredEvent>& decoded,
                 std::string_view payload, uint32_t reader, std::vector<Seen>* events) {
  for (const auto& event : decoded) {
    if (event.value_size() > payload.size()) return false;
    const auto value = parse_value(payload.substr(0, event.value_size()));
    payload.remove_prefix(event.value_size());
    if (!value) return false;
    events->push_back(
        {lane, *value, event.offset(), event.append_time_us(), reader, event.epoch(), event.key()});
  }
  return decoded.empty() || payload.empty();
}

}  // namespace headrace::sim

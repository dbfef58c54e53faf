// publish_batch: a prebuilt record batch, checked here and stored untouched.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"
#include "metrics/counters.h"

namespace headrace::native {
namespace {

storage::Summary from_proto(const proto::Summary& stated) {
  storage::Summary summary;
  summary.types_unknown =
      stated.types_unknown() || stated.types_size() > static_cast<int>(storage::Summary::kMaxTypes);
  if (!summary.types_unknown) {
    for (const auto& type : stated.types()) summary.types.push_back({type.type(), type.count()});
  }
  summary.has_keys = stated.has_keys();
  summary.has_ids = stated.has_ids();
  summary.uncompressed_size = stated.uncompressed_size();
  return summary;
}

// An uncompressed batch is always walked; of a compressed one the client's summary is believed: it
// can only mislead that tenant's own filters.
core::Error check(const SharedBytes& batch, const proto::PublishBatch& message,
                  core::PublishBatch* request) {
  if (core::Error error = from_batch(storage::check_header(batch.span(), &request->header)))
    return error;
  if (request->header.codec() == storage::Codec::none) {
    const auto records = batch.span().subspan(storage::kBatchHeaderSize);
    return from_batch(storage::walk(records, request->header, &request->summary));
  }
  if (message.has_summary()) {
    request->summary = from_proto(message.summary());
  } else {
    request->summary.types_unknown = true;
  }
  return {};
}

// The ids of its events, where they decide what is appended: then a compressed batch is inflated
// here, whatever the client states of it.
core::Error take_ids(const SharedBytes& batch, core::PublishBatch* request) {
  std::span<const std::byte> records;
  const auto inflated = storage::records_of(batch.span(), request->header, &request->inflated,
                                            limits::kInflateBytesMax, &records);
  if (core::Error error = from_batch(inflated)) return error;
  if (request->header.codec() != storage::Codec::none) {
    const auto walked = storage::walk(records, request->header, &request->summary);
    if (core::Error error = from_batch(walked)) return error;
  }
  storage::RecordReader reader(records, request->header);
  storage::RecordView record;
  while (reader.next(&record)) {
    const std::string_view id = record.header("ce_id").value_or(std::string_view());
    if (id.empty()) continue;
    request->ids.push_back({storage::id_hash(id), static_cast<uint32_t>(record.offset_delta), id});
  }
  return from_batch(reader.error());
}

}  // namespace

void handle_publish_batch(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::PublishBatch message;
  if (!session.parse(frame, &message)) return;
  auto refuse = [&](const core::Error& error) {
    metrics::add(metrics::Counter::publish_rejected);
    session.fail(header, error);
  };
  if (core::Error error = session.may_publish()) return refuse(error);
  auto request = std::make_unique<core::PublishBatch>(session.tenant());
  core::Error error;
  request->topic = session.publish_topic(message.topic(), &error);
  if (request->topic == nullptr) return refuse(error);
  const auto durability = from_proto(message.durability());
  if (!durability) return refuse({core::ErrorCode::invalid_request, "durability: unknown number"});
  if (frame.payload.size() > session.server().options().max_batch_bytes) {
    return refuse({core::ErrorCode::too_large, std::to_string(frame.payload.size()) + " bytes"});
  }
  error = check(frame.payload, message, request.get());
  if (!error && request->topic->dedup.window_us > 0) error = take_ids(frame.payload, request.get());
  if (error) return refuse(error);

  frame.message = {};  // the payload must be the block's only reference: it is patched in place
  request->partition = PartitionId(message.partition());
  request->shard = request->topic->shard;
  request->durability = *durability;
  request->batch = std::move(frame.payload);
  const size_t bytes = request->batch.size();
  session.ask(std::move(request), bytes, [header](Session& to, core::RequestPtr reply) {
    auto& published = core::as<core::PublishBatch>(*reply);
    if (published.error) {
      metrics::add(metrics::Counter::publish_rejected);
      return to.fail(header, published.error);
    }
    proto::PublishBatchOk ok;
    ok.set_partition(published.partition.value());
    ok.set_base_offset(published.base_offset.value());
    ok.set_append_time_us(published.append_time_us);
    ok.set_durability(to_proto(published.durability));
    ok.set_duplicate(published.duplicate);
    ok.set_epoch(published.epoch.value());
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

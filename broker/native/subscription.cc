#include "broker/native/subscription.h"

#include <algorithm>

#include "broker/limits.h"
#include "broker/native/session.h"

namespace headrace::native {
namespace {

// Decoding for thin clients happens on the reactor, so what may be inflated there is small.
constexpr size_t kDecodeInflateBytesMax = 1u << 20;

void add_event(const storage::RecordView& record, Offset offset, int64_t append_time_us,
               proto::Delivery* delivery, std::string* payload) {
  auto* event = delivery->add_events();
  event->set_offset(offset.value());
  event->set_timestamp_ms(record.timestamp_ms);
  event->set_append_time_us(append_time_us);
  if (record.key) event->set_key(std::string(*record.key));
  if (record.value) {
    event->set_value_size(static_cast<uint32_t>(record.value->size()));
    payload->append(*record.value);
  }
  storage::for_each_header(record, [&](const storage::HeaderView& header) {
    auto* field = event->add_headers();
    field->set_key(std::string(header.key));
    if (header.value) field->set_value(std::string(*header.value));
  });
}

core::Error decode(const core::StoredBatch& batch, Offset from, proto::Delivery* delivery,
                   std::string* payload) {
  const auto header = storage::read_header(batch.bytes.span());
  if (!header) return core::Error(core::ErrorCode::storage_error, "a batch without a header");
  std::string scratch;
  std::span<const std::byte> records;
  auto error =
      storage::records_of(batch.bytes.span(), *header, &scratch, kDecodeInflateBytesMax, &records);
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  while (error == storage::BatchError::ok && reader.next(&record)) {
    const Offset offset(header->base_offset + record.offset_delta);
    if (offset >= from) add_event(record, offset, batch.append_time_us, delivery, payload);
  }
  if (error == storage::BatchError::ok) error = reader.error();
  if (error == storage::BatchError::ok) return {};
  return core::Error(
      core::ErrorCode::undecodable,
      std::string(storage::to_string(error)) + "; subscribe without `decoded` to get it raw");
}

}  // namespace

void Subscription::start(Session& session, Offset from) {
  next_ = from;
  started_ = true;
  pump(session);
}

void Subscription::add_credit(Session& session, uint32_t bytes) {
  credit_bytes_ = std::min(credit_bytes_ + bytes, int64_t{1} << 40);
  pump(session);
}

void Subscription::pump(Session& session) {
  if (!started_ || fetching_ || cancelled_ || credit_bytes_ <= 0 || session.output_full()) return;
  auto request = std::make_unique<core::Fetch>(session.tenant());
  request->topic = topic_;
  request->shard = topic_->shard;
  request->partition = partition_;
  request->offset = next_;
  request->max_bytes =
      static_cast<uint32_t>(std::min<int64_t>(credit_bytes_, limits::kFetchBytesDefault));
  request->deadline_mono_us =
      session.now().mono_us + int64_t{limits::kFetchWaitMsMax} * kMicrosPerMilli;
  fetching_ = true;
  auto self = shared_from_this();
  session.ask(std::move(request), 0, [self](Session& to, core::RequestPtr reply) {
    self->fetching_ = false;
    if (!self->cancelled_) self->on_fetched(to, core::as<core::Fetch>(*reply));
  });
}

void Subscription::on_fetched(Session& session, core::Fetch& fetch) {
  core::Error error = fetch.error;
  if (!error && !fetch.batches.empty()) error = deliver(session, fetch);
  if (error) {
    // The subscription ends; the client hears it as the answer to its subscribe.
    cancelled_ = true;
    session.fail(asked_by_, error);
    session.subscriptions().erase(id_);
    return;
  }
  pump(session);
}

core::Error Subscription::deliver(Session& session, core::Fetch& fetch) {
  proto::Delivery delivery;
  delivery.set_subscription(id_);
  delivery.set_first_offset(next_.value());
  delivery.set_visible_end(fetch.visible_end.value());
  const auto last = storage::read_header(fetch.batches.back().bytes.span());
  if (!last) return core::Error(core::ErrorCode::storage_error, "a batch without a header");
  const Offset end(last->base_offset + last->record_count);
  delivery.set_last_offset(end.value() - 1);

  std::vector<SharedBytes> payload;
  std::string values;
  for (auto& batch : fetch.batches) {
    credit_bytes_ -= static_cast<int64_t>(batch.bytes.size());
    if (decoded_) {
      if (auto error = decode(batch, next_, &delivery, &values)) return error;
      continue;
    }
    delivery.add_batch_sizes(static_cast<uint32_t>(batch.bytes.size()));
    delivery.add_append_times_us(batch.append_time_us);
    payload.push_back(std::move(batch.bytes));
  }
  if (decoded_ && !values.empty()) payload.push_back(SharedBytes::copy_of(values));
  if (delivery.ByteSizeLong() > net::native::kMaxMessageSize) {
    return core::Error(core::ErrorCode::too_large,
                       "a decoded delivery; subscribe without `decoded` to get it raw");
  }
  session.push(Session::MessageType::delivery, delivery, payload);
  next_ = end;
  return {};
}

}  // namespace headrace::native

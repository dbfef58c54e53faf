#include "broker/native/subscription.h"

#include <algorithm>

#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/session.h"

namespace headrace::native {
namespace {

// A delivery of decoded events ends when one of these is reached.
constexpr size_t kDecodedMessageBytes = 256u << 10;
constexpr size_t kDecodedValueBytes = 4u << 20;

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
  visible_end_ = fetch.visible_end;
  const CodecSet readable = decoded_ ? CodecSet() : session.codecs();
  if (fetch.error || readable.reads(fetch.batches)) {
    return on_batches(session, fetch.error, std::move(fetch.batches));
  }
  fetching_ = true;
  session.recode(std::move(fetch.batches), readable,
                 [self = shared_from_this()](Session& to, const core::Error& error,
                                             std::vector<core::StoredBatch> batches) {
                   self->fetching_ = false;
                   if (!self->cancelled_) self->on_batches(to, error, std::move(batches));
                 });
}

void Subscription::on_batches(Session& session, core::Error error,
                              std::vector<core::StoredBatch> batches) {
  if (!error && !batches.empty()) error = deliver(session, std::move(batches));
  if (error) {
    // The subscription ends; the client hears it as the answer to its subscribe.
    cancelled_ = true;
    session.fail(asked_by_, error);
    session.subscriptions().erase(id_);
    return;
  }
  pump(session);
}

core::Error Subscription::deliver(Session& session, std::vector<core::StoredBatch> batches) {
  const auto last = storage::read_header(batches.back().bytes.span());
  if (!last) return core::Error(core::ErrorCode::storage_error, "a batch without a header");
  for (const auto& batch : batches) credit_bytes_ -= static_cast<int64_t>(batch.bytes.size());
  if (decoded_) return deliver_decoded(session, batches);

  proto::Delivery delivery;
  delivery.set_subscription(id_);
  delivery.set_first_offset(next_.value());
  delivery.set_visible_end(visible_end_.value());
  next_ = Offset(last->base_offset + last->record_count);
  delivery.set_last_offset(next_.value() - 1);
  std::vector<SharedBytes> payload;
  for (auto& batch : batches) {
    delivery.add_batch_sizes(static_cast<uint32_t>(batch.bytes.size()));
    delivery.add_append_times_us(batch.append_time_us);
    payload.push_back(std::move(batch.bytes));
  }
  session.push(Session::MessageType::delivery, delivery, payload);
  return {};
}

// The batches are not compressed: a worker has inflated them.
core::Error Subscription::deliver_decoded(Session& session,
                                          const std::vector<core::StoredBatch>& batches) {
  proto::Delivery delivery;
  std::string values;
  size_t message_bytes = 0;
  for (const auto& batch : batches) {
    const auto header = storage::read_header(batch.bytes.span());
    if (!header) return core::Error(core::ErrorCode::storage_error, "a batch without a header");
    storage::RecordReader reader(batch.bytes.span().subspan(storage::kBatchHeaderSize), *header);
    storage::RecordView record;
    while (reader.next(&record)) {
      const Offset offset(header->base_offset + record.offset_delta);
      if (offset < next_) continue;
      fill_event(record, offset, batch.append_time_us,
                 Epoch(static_cast<uint32_t>(header->leader_epoch)), delivery.add_events(),
                 &values);
      message_bytes += delivery.events(delivery.events_size() - 1).ByteSizeLong();
      if (message_bytes < kDecodedMessageBytes && values.size() < kDecodedValueBytes) continue;
      if (auto error = push_decoded(session, offset, &delivery, &values)) return error;
      message_bytes = 0;
    }
    if (reader.error() != storage::BatchError::ok) {
      return {core::ErrorCode::undecodable, std::string(storage::to_string(reader.error())) +
                                                "; subscribe without `decoded` to get it raw"};
    }
    const Offset last(header->base_offset + header->record_count - 1);
    if (&batch != &batches.back() || delivery.events_size() == 0) continue;
    if (auto error = push_decoded(session, last, &delivery, &values)) return error;
  }
  return {};
}

core::Error Subscription::push_decoded(Session& session, Offset last, proto::Delivery* delivery,
                                       std::string* values) {
  delivery->set_subscription(id_);
  delivery->set_first_offset(next_.value());
  delivery->set_last_offset(last.value());
  delivery->set_visible_end(visible_end_.value());
  if (delivery->ByteSizeLong() > net::native::kMaxMessageSize) {
    return core::Error(core::ErrorCode::too_large,
                       "an event's key and headers; subscribe without `decoded` to get it raw");
  }
  std::vector<SharedBytes> payload;
  if (!values->empty()) payload.push_back(SharedBytes::copy_of(*values));
  session.push(Session::MessageType::delivery, *delivery, payload);
  next_ = last + 1;
  delivery->Clear();
  values->clear();
  return {};
}

}  // namespace headrace::native

#include "client/producer_core.h"

#include <algorithm>
#include <utility>

#include "client/admin.h"
#include "client/cloud_event.h"
#include "client/names.h"
#include "client/partitioner.h"

namespace headrace::client {

using net::native::Frame;
using net::native::MessageType;

namespace {
constexpr size_t kEventsPerDelayedPublish = 1'000;  // docs/protocol.md, limits

// Upper bound of what an event adds to a batch.
size_t encoded_size(const storage::EventFields& event) {
  size_t size = 40;
  if (event.key) size += event.key->size();
  if (event.value) size += event.value->size();
  for (const storage::HeaderField& header : event.headers) {
    size += 10 + header.key.size() + (header.value ? header.value->size() : 0);
  }
  return size;
}

// Sequences wrap to 0 after the largest 32-bit number, as the record batch format has it.
int32_t sequence_after(int32_t sequence, int32_t count) {
  return static_cast<int32_t>((int64_t{sequence} + count) & INT32_MAX);
}

bool is_gap(const Error& error) {
  return error.code == kErrorOutOfOrderSequence || error.code == kErrorUnknownProducer;
}

}  // namespace

ProducerCore::ProducerCore(Client* client, ProducerOptions options, Producer::AckFunction acked,
                           const proto::Topic& topic, const proto::InitProducerOk& id)
    : client_(client),
      options_(std::move(options)),
      acked_(std::move(acked)),
      id_(id),
      lanes_(topic.partitions()),
      backoff_(20, 1000, static_cast<uint64_t>(Loop::now_us())) {
  for (Lane& lane : lanes_) lane.epoch = static_cast<int16_t>(id_.producer_epoch());
}

// ---- the application's side

uint32_t ProducerCore::choose(const storage::EventFields& event) {
  const auto count = static_cast<uint32_t>(lanes_.size());
  if (event.key) return partition_of(*event.key, count);
  return turn_;
}

Error ProducerCore::publish(const storage::EventFields& event, uint64_t token,
                            std::optional<uint32_t> wanted) {
  if (wanted && *wanted >= lanes_.size()) {
    return bad_argument("the topic has " + std::to_string(lanes_.size()) + " partitions");
  }
  const size_t size = encoded_size(event);
  std::unique_lock lock(mutex_);
  if (unacked_bytes_ + size > options_.window_bytes && unacked_bytes_ > 0) {
    // What only lingers would hold the window for nothing.
    for (uint32_t partition = 0; partition < lanes_.size(); ++partition) seal(partition);
    changed_.wait(lock, [&] {
      return error_ || unacked_bytes_ == 0 || unacked_bytes_ + size <= options_.window_bytes;
    });
  }
  if (error_) return error_;
  const uint32_t partition = wanted ? *wanted : choose(event);
  Lane& lane = lanes_[partition];
  const bool full = lane.builder.size() + size > options_.batch_bytes ||
                    (delays() && lane.tokens.size() == kEventsPerDelayedPublish);
  if (!lane.builder.empty() && full) seal(partition);
  const bool first = lane.builder.empty();
  const size_t before = first ? 0 : lane.builder.size();
  lane.builder.add(event);
  lane.tokens.push_back(token);
  unacked_bytes_ += lane.builder.size() - before;
  if (options_.codec != storage::Codec::none) summarize(&lane, event);
  if (!first) return {};
  lane.opened_us = Loop::now_us();
  if (options_.linger_ms == 0) {
    seal(partition);
  } else {
    client_->loop().post([self = shared_from_this()] { self->linger(); });
  }
  return {};
}

void ProducerCore::summarize(Lane* lane, const storage::EventFields& event) {
  storage::Summary& summary = lane->summary;
  if (event.key) summary.has_keys = true;
  std::string_view type;
  for (const storage::HeaderField& header : event.headers) {
    if (header.key == kHeaderId) summary.has_ids = true;
    if (header.key == kHeaderType && header.value) type = *header.value;
  }
  if (type.empty()) return;
  for (auto& known : summary.types) {
    if (known.type == type) {
      ++known.count;
      return;
    }
  }
  if (summary.types.size() == storage::Summary::kMaxTypes) {
    summary.types_unknown = true;
  } else {
    summary.types.push_back({std::string(type), 1});
  }
}

void ProducerCore::seal(uint32_t partition) {
  Lane& lane = lanes_[partition];
  if (lane.builder.empty()) return;
  const int32_t count = lane.builder.count();
  const size_t size = lane.builder.size();
  Batch batch;
  batch.first_sequence = lane.next_sequence;
  if (id_.producer_id() >= 0) {
    lane.builder.set_producer(ProducerId(id_.producer_id()), lane.epoch, lane.next_sequence);
    lane.next_sequence = sequence_after(lane.next_sequence, count);
  }
  if (options_.codec != storage::Codec::none) {
    for (const auto& type : lane.summary.types) {
      proto::Summary::TypeCount* entry = batch.summary.add_types();
      entry->set_type(type.type);
      entry->set_count(type.count);
    }
    batch.summary.set_types_unknown(lane.summary.types_unknown);
    batch.summary.set_has_keys(lane.summary.has_keys);
    batch.summary.set_has_ids(lane.summary.has_ids);
    batch.summary.set_uncompressed_size(static_cast<uint32_t>(size - storage::kBatchHeaderSize));
    lane.summary = {};
  }
  batch.bytes = lane.builder.finish(options_.codec);
  // The window counts what the batch really takes from here on.
  unacked_bytes_ = unacked_bytes_ - size + batch.bytes.size();
  batch.tokens = std::exchange(lane.tokens, {});
  const int64_t timeout_ms =
      options_.timeout_ms > 0 ? options_.timeout_ms : client_->options().timeout_ms;
  batch.deadline_us = Loop::now_us() + timeout_ms * 1000;
  lane.sealed.push_back(std::move(batch));
  turn_ = static_cast<uint32_t>((turn_ + 1) % lanes_.size());
  wake_io();
}

void ProducerCore::wake_io() {
  if (std::exchange(io_woken_, true)) return;
  client_->loop().post([self = shared_from_this()] { self->pump(); });
}

Error ProducerCore::flush() {
  std::unique_lock lock(mutex_);
  for (uint32_t partition = 0; partition < lanes_.size(); ++partition) seal(partition);
  changed_.wait(lock, [&] { return unacked_bytes_ == 0; });
  return error_;
}

// ---- the I/O thread's side

void ProducerCore::linger() {
  if (stopped_ || linger_timer_.first != 0) return;
  linger_timer_ = client_->loop().after_us(options_.linger_ms * 1000, [self = shared_from_this()] {
    self->linger_timer_ = {0, 0};
    const int64_t old_us = Loop::now_us() - self->options_.linger_ms * 1000;
    bool again = false;
    {
      const std::lock_guard lock(self->mutex_);
      for (uint32_t partition = 0; partition < self->lanes_.size(); ++partition) {
        const Lane& lane = self->lanes_[partition];
        if (lane.builder.empty()) continue;
        if (lane.opened_us <= old_us) {
          self->seal(partition);
        } else {
          again = true;
        }
      }
    }
    if (again) self->linger();
  });
}

void ProducerCore::stop() {
  stopped_ = true;
  client_->loop().cancel(&linger_timer_);
}

void ProducerCore::pump() {
  {
    const std::lock_guard lock(mutex_);
    io_woken_ = false;
    for (Lane& lane : lanes_) {
      std::ranges::move(lane.sealed, std::back_inserter(lane.waiting));
      lane.sealed.clear();
    }
  }
  if (stopped_) return;
  for (uint32_t partition = 0; partition < lanes_.size(); ++partition) {
    Lane& lane = lanes_[partition];
    while (!lane.repeating && !lane.waiting.empty() &&
           lane.in_flight.size() < kMaxInFlightPerPartition) {
      Batch batch = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      send(partition, std::move(batch));
    }
  }
}

void ProducerCore::send(uint32_t partition, Batch batch) {
  CallOptions call;
  call.repeatable = true;
  call.timeout_ms = std::max<int64_t>(1, (batch.deadline_us - Loop::now_us()) / 1000);
  batch.state = Batch::State::sent;
  batch.number = next_number_++;
  auto answered = [self = shared_from_this(), partition, number = batch.number](
                      const Error& error, const Frame& frame) {
    if (!self->stopped_) self->on_reply(partition, number, error, frame);
  };
  if (delays()) {
    std::string values;
    const proto::Publish request = delayed_request(partition, batch, &values);
    if (!values.empty()) call.payload = SharedBytes::copy_of(values);
    client_->start(MessageType::publish, request, std::move(call), std::move(answered));
  } else {
    proto::PublishBatch request;
    request.set_topic(options_.topic);
    request.set_partition(partition);
    request.set_durability(to_wire(options_.durability));
    if (options_.codec != storage::Codec::none) *request.mutable_summary() = batch.summary;
    call.payload = batch.bytes;
    client_->start(MessageType::publish_batch, request, std::move(call), std::move(answered));
  }
  lanes_[partition].in_flight.push_back(std::move(batch));
}

// Only single events can be delayed: the batch as such, under the same producer stamp.
proto::Publish ProducerCore::delayed_request(uint32_t partition, const Batch& batch,
                                             std::string* payload) const {
  proto::Publish request;
  request.set_topic(options_.topic);
  request.set_partition(partition);
  const auto header = storage::read_header(batch.bytes.span());
  if (id_.producer_id() >= 0) {
    request.set_producer_id(id_.producer_id());
    request.set_producer_epoch(header->producer_epoch);
    request.set_sequence(batch.first_sequence);
  }
  if (options_.delay_ms) request.set_delay_ms(*options_.delay_ms);
  if (options_.due_us) request.set_due_us(*options_.due_us);
  storage::RecordReader reader(batch.bytes.span().subspan(storage::kBatchHeaderSize), *header);
  storage::RecordView record;
  while (reader.next(&record)) {
    proto::Event* event = request.add_events();
    if (record.key) event->set_key(std::string(*record.key));
    if (record.value) event->set_value_size(static_cast<uint32_t>(record.value->size()));
    payload->append(record.value.value_or(std::string_view()));
    event->set_timestamp_ms(record.timestamp_ms);
    storage::for_each_header(record, [&](const storage::HeaderView& view) {
      proto::Header* field = event->add_headers();
      field->set_key(std::string(view.key));
      if (view.value) field->set_value(std::string(*view.value));
    });
  }
  return request;
}

// The results of a delayed publish as a batch has them. One with an earlier due time than now comes
// back with offsets.
Error ProducerCore::take_results(const Frame& frame, Batch* batch) {
  const Result<proto::PublishOk> reply = parse_reply<proto::PublishOk>(frame);
  if (!reply.ok()) return reply.error;
  if (static_cast<size_t>(reply->results_size()) != batch->tokens.size()) {
    return bad_reply("not one result for each event");
  }
  for (const auto& result : reply->results()) {
    if (result.error_code() != 0) return {result.error_code(), "", result.error(), false, 0};
    batch->ids.push_back(result.id());
  }
  const proto::EventResult& first = reply->results(0);
  batch->due_us = first.due_us();
  batch->reply.set_base_offset(first.offset());
  batch->reply.set_append_time_us(reply->append_time_us());
  batch->reply.set_durability(reply->durability());
  batch->reply.set_duplicate(first.duplicate());
  return {};
}

// A refusal may overtake the acknowledgement of an earlier batch, which waits for its commit.
// Acknowledgements are reported in the order of the batches.
void ProducerCore::on_reply(uint32_t partition, uint64_t number, const Error& error,
                            const Frame& frame) {
  Lane& lane = lanes_[partition];
  const auto batch = std::ranges::find(lane.in_flight, number, &Batch::number);
  if (batch == lane.in_flight.end()) return;  // failed meanwhile
  if (error) {
    if (!on_refused(&lane, &*batch, error)) return fail_all(error);
  } else if (delays()) {
    if (const Error bad = take_results(frame, &*batch)) return fail_all(bad);
    batch->state = Batch::State::acked;
    backoff_.reset();
  } else {
    Result<proto::PublishBatchOk> reply = parse_reply<proto::PublishBatchOk>(frame);
    if (!reply.ok()) return fail_all(reply.error);
    batch->state = Batch::State::acked;
    batch->reply = std::move(reply.value);
    backoff_.reset();
  }
  while (!lane.in_flight.empty() && lane.in_flight.front().state == Batch::State::acked) {
    finish_front(partition, {});
  }
  const auto waits = [](const Batch& each) { return each.state == Batch::State::sent; };
  if (lane.repeating && std::ranges::none_of(lane.in_flight, waits)) {
    return after_refusals(partition);
  }
  pump();
}

// After "busy" the batches behind it leave a gap and are refused, too. All of them are sent again,
// in order, once the last has been answered. False: the error is final.
bool ProducerCore::on_refused(Lane* lane, Batch* batch, const Error& error) {
  if (!is_gap(error) && (!error.retryable || error.is_unreachable())) return false;
  batch->state = Batch::State::refused;
  batch->refusal = error;
  if (error.sent_before || error.code == kErrorOutcomeUnknown) batch->maybe_stored = true;
  lane->repeating = true;
  lane->retry_after_ms = std::max(lane->retry_after_ms, error.retry_after_ms);
  return true;
}

// Everything in flight is answered, the oldest was refused. Behind another one a gap is normal; the
// oldest has nothing before it that could still come.
void ProducerCore::after_refusals(uint32_t partition) {
  Lane& lane = lanes_[partition];
  const Error refusal = lane.in_flight.front().refusal;
  if (!is_gap(refusal)) return repeat_later(partition);
  if (!may_begin_anew(lane) || !begin_anew(&lane)) return fail_all(refusal);
  repeat(partition);
}

// The broker has forgotten the producer: it was silent for a week, or one of too many. With
// `written` a crash may take the newest acknowledged batches, and what the broker knew with them.
// What might be stored under the old numbers already must not be sent under new ones.
bool ProducerCore::may_begin_anew(const Lane& lane) const {
  const Batch& oldest = lane.in_flight.front();
  const bool forgotten =
      oldest.refusal.code == kErrorUnknownProducer || options_.durability == Durability::written;
  return forgotten && oldest.first_sequence != 0 &&
         std::ranges::all_of(lane.in_flight, [](const Batch& batch) {
           return batch.state == Batch::State::refused && !batch.maybe_stored;
         });
}

// The next epoch begins with sequence 0. False: there is none.
bool ProducerCore::begin_anew(Lane* lane) {
  const std::lock_guard lock(mutex_);
  if (lane->epoch == INT16_MAX) return false;
  ++lane->epoch;
  lane->next_sequence = 0;
  for (auto* batches : {&lane->in_flight, &lane->waiting, &lane->sealed}) {
    for (Batch& batch : *batches) {
      batch.first_sequence = lane->next_sequence;
      batch.bytes = storage::with_producer(batch.bytes.span(), ProducerId(id_.producer_id()),
                                           lane->epoch, batch.first_sequence);
      lane->next_sequence =
          sequence_after(lane->next_sequence, static_cast<int32_t>(batch.tokens.size()));
    }
  }
  return true;
}

void ProducerCore::repeat_later(uint32_t partition) {
  Lane& lane = lanes_[partition];
  const int64_t pause_ms = lane.retry_after_ms > 0 ? lane.retry_after_ms : backoff_.next_ms();
  const int64_t again_us = Loop::now_us() + pause_ms * 1000;
  if (again_us > lane.in_flight.front().deadline_us)
    return fail_all(lane.in_flight.front().refusal);
  client_->loop().after_us(pause_ms * 1000, [self = shared_from_this(), partition] {
    if (!self->stopped_) self->repeat(partition);
  });
}

void ProducerCore::repeat(uint32_t partition) {
  Lane& lane = lanes_[partition];
  lane.repeating = false;
  lane.retry_after_ms = 0;
  std::deque<Batch> again = std::exchange(lane.in_flight, {});
  for (Batch& batch : again) {
    if (batch.state == Batch::State::refused) {
      send(partition, std::move(batch));
    } else {
      lane.in_flight.push_back(std::move(batch));
    }
  }
  pump();
}

void ProducerCore::finish_front(uint32_t partition, const Error& error) {
  Lane& lane = lanes_[partition];
  const Batch batch = std::move(lane.in_flight.front());
  lane.in_flight.pop_front();
  Acked acked;
  if (batch.state != Batch::State::acked) acked.error = error;
  acked.partition = partition;
  acked.base_offset = batch.reply.base_offset();
  acked.append_time_us = batch.reply.append_time_us();
  acked.durability = from_wire(batch.reply.durability());
  acked.epoch = batch.reply.epoch();
  acked.duplicate = batch.reply.duplicate();
  acked.tokens = batch.tokens;
  acked.due_us = batch.due_us;
  acked.ids = batch.ids;
  acked_(acked);
  const std::lock_guard lock(mutex_);
  unacked_bytes_ -= batch.bytes.size();
  changed_.notify_all();
}

// A batch that cannot be stored ends the producer: what follows would leave a gap or break the
// order. Everything unacknowledged is reported with the error.
void ProducerCore::fail_all(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    for (uint32_t partition = 0; partition < lanes_.size(); ++partition) {
      seal(partition);
      Lane& lane = lanes_[partition];
      std::ranges::move(lane.waiting, std::back_inserter(lane.in_flight));
      std::ranges::move(lane.sealed, std::back_inserter(lane.in_flight));
      lane.waiting.clear();
      lane.sealed.clear();
    }
  }
  for (uint32_t partition = 0; partition < lanes_.size(); ++partition) {
    while (!lanes_[partition].in_flight.empty()) finish_front(partition, error);
  }
}

}  // namespace headrace::client

// Delayed events of a partition: a row of the family delayed until they are due, then appended to
// the log like any other event, in the set that removes the row.
#include <algorithm>

#include "broker/core/partition.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::core {

void Partition::delay(PublishEvents& request, size_t item) {
  auto& event = request.items[item];
  if (Error error = delayed_.room_for(1, encoded_size(event.fields))) {
    event.error = std::move(error);
    return;
  }
  event.id = delayed_.put(request.due_us, event.fields, event.violation, this).id;
  event.due_us = request.due_us;
  request.durability = Durability::durable;  // a promise for later is worth nothing in memory
  wait_for_due();
}

// A publish with a producer stamp: its sequence numbers go into the set of the rows.
void Partition::delay_all(PublishEvents& request, const ProducerStamp& stamp) {
  size_t bytes = 0;
  for (const auto& item : request.items) bytes += encoded_size(item.fields);
  request.error = delayed_.room_for(request.items.size(), bytes);
  if (request.error) return;
  request.durability = Durability::durable;
  uint64_t first = 0;
  for (size_t i = 0; i < request.items.size(); ++i) {
    auto& item = request.items[i];
    auto accepted = delayed_.put(request.due_us, item.fields, item.violation, this);
    if (i == 0) first = accepted.sequence;
    item.id = std::move(accepted.id);
    item.due_us = request.due_us;
  }
  const auto count = static_cast<int64_t>(first & ((uint64_t{1} << kDelayedCountBits) - 1));
  producers_.record(
      stamp,
      {Offset(-1 - count), request.due_us, ctx_->epoch(), ctx_->sequence(), ctx_->now().wall_us},
      index_.partition(), &ctx_->writes(this));
  wait_for_due();
}

// The answer that the original had, also when its events are in the log by now.
void Partition::repeat_delayed(PublishEvents& request, const Producers::Verdict& original) {
  const auto count = static_cast<uint64_t>(-1 - original.base_offset.value());
  for (size_t i = 0; i < request.items.size(); ++i) {
    auto& item = request.items[i];
    item.id = own_id(item.fields);
    if (item.id.empty()) {
      item.id = delayed_id(index_.partition(), delayed_sequence(original.epoch, count + i));
    }
    item.due_us = original.append_time_us;
    item.duplicate = true;
  }
  request.durability = Durability::durable;
}

bool Partition::cancel_delayed(const DelayedOrder& order, const IdHash& id, size_t row_bytes) {
  return delayed_.cancel(order, id, row_bytes, this);
}

// One set's worth at a time: the next when that is durable, so what is due never fills the store.
void Partition::append_due() {
  if (state_ != State::ready || delayed_.count() == 0) return;
  if (due_sequence_ > ctx_->committed_sequence()) return;
  if (delayed_.next_due_us() > ctx_->now().wall_us) return wait_for_due();
  if (!ctx_->store().pressure().takes_publishes()) {
    return ctx_->arm(&due_, ctx_->now().mono_us + limits::kDueHeldBackUs);
  }
  const auto due = delayed_.take_due(ctx_->now().wall_us, limits::kDueEventsPerSet,
                                     limits::kDueBytesPerSet, this);
  for (const auto& entry : due) append_entry(entry);
  seal();
  ctx_->writes(this).strengthen(Durability::durable);
  due_sequence_ = ctx_->sequence();
  wait_for_due();
}

void Partition::append_entry(const DelayedQueue::Entry& entry) {
  OpenedEvent opened;
  HR_CHECK(open_event(entry.event, &opened));  // it was when it came into memory
  if (fold_durability_ != Durability::durable || !fold_.takes(encoded_size(opened.fields))) seal();
  fold_durability_ = Durability::durable;
  const Offset offset = index_.next_offset() + fold_.count();
  fold_.add(opened.fields, entry.violation);
  remember(opened.fields, offset);
}

// Due times go by the wall clock, timers by the monotonic one: the wall clock is looked at often
// enough to notice that it was set forward. Set back, it makes events wait that much longer.
void Partition::wait_for_due() {
  if (delayed_.count() == 0) return ctx_->disarm(&due_);
  const int64_t due_us = delayed_.next_due_us();
  const int64_t wait_us = std::min(
      due_us == INT64_MAX ? limits::kDueLookUs : due_us - ctx_->now().wall_us, limits::kDueLookUs);
  ctx_->arm(&due_, ctx_->now().mono_us + std::max<int64_t>(wait_us, 0));
}

}  // namespace headrace::core

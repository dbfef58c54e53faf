// Topics with dedup: what was published before under the same id is answered, not appended.
#include <algorithm>

#include "broker/core/delayed_event.h"
#include "broker/core/partition.h"
#include "metrics/counters.h"

namespace headrace::core {
namespace {

std::vector<EventId> ids_of(const PublishEvents& request) {
  std::vector<EventId> ids;
  for (size_t i = 0; i < request.items.size(); ++i) {
    const std::string_view id = own_id(request.items[i].fields);
    if (!id.empty()) ids.push_back({storage::id_hash(id), static_cast<uint32_t>(i), id});
  }
  return ids;
}

}  // namespace

// A single event of a publish that is not kept together. True: it is answered.
bool Partition::repeats_item(PublishEvents& request, size_t item) {
  auto& event = request.items[item];
  const std::string_view id = own_id(event.fields);
  if (!event_ids_.on() || id.empty()) return false;
  const auto* original = event_ids_.find(storage::id_hash(id), append_time());
  if (original == nullptr) return false;
  metrics::add(metrics::Counter::publish_duplicates);
  event.offset = original->offset;
  event.duplicate = true;
  if (request.append_time_us == 0) request.append_time_us = original->append_time_us;
  request.original_sequence = std::max(request.original_sequence, original->write_sequence);
  return true;
}

// One with a producer stamp, or an atomic one: repeated as a whole, fresh as a whole, or refused.
bool Partition::repeats_whole(PublishEvents& request, const ProducerStamp& stamp) {
  if (!event_ids_.on()) return false;
  auto verdict = event_ids_.check(ids_of(request), request.items.size(), append_time());
  if (verdict.kind == EventIds::Verdict::Kind::fresh) return false;
  if (verdict.kind == EventIds::Verdict::Kind::refused) {
    request.error = std::move(verdict.error);
    return true;
  }
  metrics::add(metrics::Counter::publish_duplicates);
  const auto& first = verdict.first;
  for (size_t i = 0; i < request.items.size(); ++i) {
    request.items[i].offset = first.offset + static_cast<int64_t>(i);
    request.items[i].duplicate = true;
  }
  request.append_time_us = first.append_time_us;
  request.epoch = first.epoch;
  request.original_sequence = first.write_sequence;
  if (stamp.id != kNoProducer) request.original_sequence = use_up(stamp, first);
  return true;
}

// The numbers of a producer that repeats an event are used up all the same: what it sends next
// follows them. The set that says so.
uint64_t Partition::use_up(const ProducerStamp& stamp, const EventIds::Original& first) {
  producers_.record(
      stamp,
      {first.offset, first.append_time_us, first.epoch, ctx_->sequence(), ctx_->now().wall_us},
      index_.partition(), &ctx_->writes(this));
  return ctx_->sequence();
}

bool Partition::repeats_batch(PublishBatch& request, const ProducerStamp& stamp) {
  if (!event_ids_.on()) return false;
  auto verdict = event_ids_.check(request.ids, static_cast<size_t>(request.header.record_count),
                                  append_time());
  if (verdict.kind == EventIds::Verdict::Kind::refused) request.error = std::move(verdict.error);
  if (verdict.kind != EventIds::Verdict::Kind::repeated) return bool{request.error};
  metrics::add(metrics::Counter::publish_duplicates);
  const auto& first = verdict.first;
  request.base_offset = first.offset;
  request.append_time_us = first.append_time_us;
  request.epoch = first.epoch;
  request.duplicate = true;
  request.original_sequence = first.write_sequence;
  if (stamp.id != kNoProducer) request.original_sequence = use_up(stamp, first);
  return true;
}

void Partition::remember(const storage::EventFields& event, Offset offset) {
  const std::string_view id = own_id(event);
  if (!event_ids_.on() || id.empty()) return;
  event_ids_.add(storage::id_hash(id), {offset, append_time(), ctx_->epoch(), ctx_->sequence()});
}

}  // namespace headrace::core

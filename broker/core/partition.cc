#include "broker/core/partition.h"

#include <algorithm>

#include "broker/core/audit.h"
#include "broker/core/cold_read.h"
#include "broker/core/event_search.h"
#include "broker/core/partition_load.h"
#include "broker/core/rollups.h"
#include "broker/core/time_lookup.h"
#include "metrics/counters.h"

namespace headrace::core {
namespace {

// Frees the space of a trimmed range; nobody waits for it.
struct Compaction final : storage::Maintenance {
  void run() override { delete this; }
};

TenantUsePtr use_of(const CatalogSnapshot& catalog, TenantId tenant) {
  const TenantPtr known = catalog.tenant(tenant);
  return known == nullptr ? nullptr : known->use;
}

}  // namespace

Partition::Partition(TopicPtr topic, PartitionId number, std::shared_ptr<Matcher> matcher, Ctx* ctx)
    : topic_(std::move(topic)),
      number_(number),
      ctx_(ctx),
      index_(topic_->partition(number)),
      tail_(ctx->tail().open()),
      fetches_(ctx, [this](std::unique_ptr<Fetch> fetch) { expire_fetch(std::move(fetch)); }),
      matcher_(std::move(matcher)),
      rollup_(ctx->rollups().of(topic_)),
      stored_(use_of(*ctx->catalog(), topic_->tenant)),
      event_ids_(index_.partition(), topic_->dedup),
      delayed_(index_.partition(), ctx, [this] { append_due(); }) {
  due_.partition = this;
}

Partition::~Partition() {
  ctx_->disarm(&due_);
  ctx_->tail().close(*tail_);
}

void Partition::load(std::function<void()> loaded) {
  PartitionLoad::begin(shared_from_this(), ctx_, std::move(loaded));
}

// ---- publish

// Not before anything appended earlier, whatever the wall clock does.
int64_t Partition::append_time() {
  return std::max(ctx_->now().wall_us, index_.last_append_us());
}

void Partition::append(SharedBytes batch, storage::BatchHeader header,
                       const storage::Summary& summary, storage::Violations violations) {
  const int64_t time_us = append_time();
  const Offset base = index_.next_offset();
  storage::patch_batch(batch.mutable_data(), base, ctx_->epoch());
  header.base_offset = base.value();

  auto& writes = ctx_->writes(this);
  if (!epoch_noted_) {
    epoch_noted_ = true;
    std::string row(sizeof(int64_t), '\0');
    store_be(reinterpret_cast<std::byte*>(row.data()), base.value());
    writes.put(storage::state_place(topic_->tenant),
               storage::epoch_start_key(index_.partition(), ctx_->epoch()), std::move(row));
  }
  const auto month = ctx_->writable_month(storage::month_of(time_us));
  HR_CHECK(month.has_value());  // the node makes the first month before it serves
  index_.append(batch, header, summary, violations, time_us, *month, &writes);
  event_ids_.write(base, time_us, &writes);
  auto kept_back = violations.empty()
                       ? nullptr
                       : std::make_shared<const storage::Violations>(std::move(violations));
  ctx_->tail().append(tail_, TailBatch{base, base + (header.record_count - 1),
                                       StoredBatch{std::move(batch), time_us, std::move(kept_back)},
                                       ctx_->sequence()});
  uncommitted_.push_back({ctx_->sequence(), index_.next_offset(), {}});
  note_types(summary);
  rollup_->published(summary, header.record_count);
  stored_.add(static_cast<int64_t>(header.total_size()));
  metrics::add(metrics::Counter::publish_batches);
  metrics::add(metrics::Counter::publish_events, static_cast<uint64_t>(header.record_count));
  metrics::add(metrics::Counter::publish_bytes, header.total_size());
}

// What groups are woken by. Without groups nobody asks; who comes until the commit is woken by all.
void Partition::note_types(const storage::Summary& summary) {
  Uncommitted& commit = uncommitted_.back();
  commit.any_type = summary.types_unknown || matcher_->group_count() == 0;
  if (commit.any_type) return;
  for (const auto& counted : summary.types) {
    const auto id = matcher_->id_of(counted.type);
    if (id == Matcher::kUnlisted)
      commit.any_type = true;
    else
      commit.types.push_back(id);
  }
}

void Partition::publish(std::unique_ptr<PublishBatch> request) {
  seal();  // what was published before comes before
  const ProducerStamp stamp{ProducerId(request->header.producer_id), request->header.producer_epoch,
                            request->header.base_sequence, request->header.record_count};
  if (stamp.id != kNoProducer) {
    const auto verdict = producers_.check(stamp);
    if (verdict.kind == Producers::Verdict::Kind::refused) {
      request->error = verdict.error;
      return ctx_->reply(std::move(request));
    }
    if (verdict.kind == Producers::Verdict::Kind::duplicate && verdict.base_offset < Offset(0)) {
      request->error = Error(ErrorCode::duplicate_sequence, "it was published as delayed");
      return ctx_->reply(std::move(request));
    }
    if (verdict.kind == Producers::Verdict::Kind::duplicate) {
      metrics::add(metrics::Counter::publish_duplicates);
      request->base_offset = verdict.base_offset;
      request->append_time_us = verdict.append_time_us;
      request->epoch = verdict.epoch;
      request->duplicate = true;
      return ctx_->reply_committed(std::move(request), verdict.write_sequence);
    }
  }
  if (repeats_batch(*request, stamp)) {
    if (request->error) return ctx_->reply(std::move(request));
    const uint64_t sequence = request->original_sequence;
    return ctx_->reply_committed(std::move(request), sequence);
  }
  request->base_offset = index_.next_offset();
  request->append_time_us = append_time();
  request->epoch = ctx_->epoch();
  for (const EventId& id : request->ids) {
    event_ids_.add(id.hash, {request->base_offset + id.place, request->append_time_us,
                             request->epoch, ctx_->sequence()});
  }
  append(std::move(request->batch), request->header, request->summary,
         std::move(request->violations));
  if (stamp.id != kNoProducer) {
    producers_.record(stamp,
                      {request->base_offset, request->append_time_us, ctx_->epoch(),
                       ctx_->sequence(), request->append_time_us},
                      index_.partition(), &ctx_->writes(this));
  }
  const Durability durability = request->durability;
  ctx_->reply_committed(std::move(request), durability);
}

void Partition::add(PublishEvents& request, size_t item) {
  auto& event = request.items[item];
  if (repeats_item(request, item)) return;
  if (request.due_us > ctx_->now().wall_us) return delay(request, item);
  if (request.durability != fold_durability_ || !fold_.takes(encoded_size(event.fields))) seal();
  fold_durability_ = request.durability;
  ctx_->writes(this);
  event.offset = index_.next_offset() + fold_.count();
  request.append_time_us = append_time();
  fold_.add(event.fields, event.violation);
  remember(event.fields, event.offset);
}

// A publish with a producer stamp, or an atomic one: all its items are for this partition.
void Partition::add_atomic(PublishEvents& request) {
  const ProducerStamp stamp{request.producer, request.producer_epoch, request.sequence,
                            static_cast<int32_t>(request.items.size())};
  if (stamp.id != kNoProducer) {
    const auto verdict = producers_.check(stamp);
    if (verdict.kind == Producers::Verdict::Kind::refused) {
      request.error = verdict.error;
      return;
    }
    if (verdict.kind == Producers::Verdict::Kind::duplicate) {
      metrics::add(metrics::Counter::publish_duplicates);
      request.original_sequence = verdict.write_sequence;
      if (verdict.base_offset < Offset(0)) return repeat_delayed(request, verdict);
      for (size_t i = 0; i < request.items.size(); ++i) {
        request.items[i].offset = verdict.base_offset + static_cast<int64_t>(i);
        request.items[i].duplicate = true;
      }
      request.append_time_us = verdict.append_time_us;
      request.epoch = verdict.epoch;
      return;
    }
  }
  if (repeats_whole(request, stamp)) return;
  if (request.due_us > ctx_->now().wall_us) return delay_all(request, stamp);
  // One batch holds an atomic publish: it is sealed by itself, before and after.
  if (request.atomic) seal();
  for (size_t i = 0; i < request.items.size(); ++i) {
    if (!request.atomic) {
      add(request, i);
      continue;
    }
    request.items[i].offset = index_.next_offset() + fold_.count();
    fold_.add(request.items[i].fields, request.items[i].violation);
    remember(request.items[i].fields, request.items[i].offset);
  }
  request.append_time_us = append_time();
  const Offset base = request.items.front().offset;
  auto& writes = ctx_->writes(this);
  if (request.atomic) seal();
  if (stamp.id != kNoProducer) {
    producers_.record(
        stamp,
        {base, request.append_time_us, ctx_->epoch(), ctx_->sequence(), request.append_time_us},
        index_.partition(), &writes);
  }
}

void Partition::seal() {
  if (fold_.empty()) return;
  SharedBytes batch = fold_.seal();
  const auto header = storage::read_header(batch.span());
  HR_CHECK(header.has_value());
  storage::Summary summary;
  const auto records = batch.span().subspan(storage::kBatchHeaderSize);
  const auto error = storage::walk(records, *header, &summary);
  HR_CHECK(error == storage::BatchError::ok);  // we built it
  append(std::move(batch), *header, summary, fold_.take_violations());
}

void Partition::on_committed(Ctx&, uint64_t sequence) {
  const Offset before = visible_end_;
  index_.on_committed(sequence);
  SlotSet groups;
  bool all = false;
  while (!uncommitted_.empty() && uncommitted_.front().sequence <= sequence) {
    const Uncommitted& commit = uncommitted_.front();
    visible_end_ = commit.end;
    all = all || commit.any_type;
    for (const auto type : commit.types) groups.insert(matcher_->groups_of(type));
    uncommitted_.pop_front();
  }
  ctx_->tail().on_committed(*tail_, sequence);
  if (trimmed_ && trimmed_->sequence <= sequence) {
    compact(*trimmed_);
    trimmed_.reset();
  }
  if (import_ != nullptr && import_->sequence != 0 && import_->sequence <= sequence) show_import();
  if (visible_end_ != before) wake(before, groups, all);
  delayed_.on_committed();
  append_due();
}

// ---- read

// Those who do not want what came below `before` need not look at it.
void Partition::wake(Offset before, const SlotSet& groups, bool all) {
  if (fetches_.size() == 0) return;
  for (auto& fetch : all ? fetches_.take_all() : fetches_.take(groups)) {
    if (fetch->slot != Fetch::kNoSlot) fetch->skipped_to = std::max(fetch->offset, before);
    serve(std::move(fetch));
  }
}

void Partition::fetch(std::unique_ptr<Fetch> request) {
  if (request->offset < index_.log_start() || request->offset > visible_end_) {
    request->log_start = index_.log_start();
    request->visible_end = visible_end_;
    request->error = Error(ErrorCode::offset_out_of_range,
                           std::to_string(request->offset.value()) + " is not within " +
                               std::to_string(index_.log_start().value()) + " to " +
                               std::to_string(visible_end_.value()));
    return ctx_->reply(std::move(request));
  }
  serve(std::move(request));
}

void Partition::serve(std::unique_ptr<Fetch> request) {
  request->log_start = index_.log_start();
  request->visible_end = visible_end_;
  const Offset from = std::max(request->offset, request->skipped_to);
  if (from < visible_end_ && tail_->find(from) == tail_->size()) {
    metrics::add(metrics::Counter::fetch_cold_reads);
    return ColdRead::begin(std::move(request), index_, visible_end_, ctx_);
  }
  fill_from_tail(*request);
  size_t bytes = 0;
  for (const auto& batch : request->batches) bytes += batch.bytes.size();
  if (bytes < request->min_bytes && request->deadline_mono_us > ctx_->now().mono_us) {
    request->batches.clear();
    if (fetches_.size() >= limits::kFetchWaitersPerPartition) {
      request->error = Error(ErrorCode::busy, "too many fetches wait on the partition");
      return ctx_->reply(std::move(request));
    }
    return fetches_.park(std::move(request));
  }
  metrics::add(metrics::Counter::fetch_bytes, bytes);
  ctx_->reply(std::move(request));
}

void Partition::fill_from_tail(Fetch& request) const {
  size_t bytes = 0;
  const Offset from = std::max(request.offset, request.skipped_to);
  for (size_t i = tail_->find(from); i < tail_->size(); ++i) {
    const TailBatch& batch = (*tail_)[i];
    if (batch.last >= visible_end_) break;
    if (bytes > 0 && bytes + batch.batch.bytes.size() > request.max_bytes) break;
    bytes += batch.batch.bytes.size();
    request.batches.push_back(batch.batch);
  }
}

// Less than it hoped for is better than nothing, wherever that is by now.
void Partition::expire_fetch(std::unique_ptr<Fetch> request) {
  request->deadline_mono_us = 0;
  if (request->slot != Fetch::kNoSlot) request->skipped_to = visible_end_;
  serve(std::move(request));
}

void Partition::end_waits() {
  for (auto& fetch : fetches_.take_all()) expire_fetch(std::move(fetch));
}

void Partition::list_offsets(std::unique_ptr<ListOffsets> request) {
  if (std::holds_alternative<Earliest>(request->at)) {
    request->offset = index_.log_start();
  } else if (std::holds_alternative<Latest>(request->at)) {
    request->offset = visible_end_;
  } else if (const auto* offset = std::get_if<Offset>(&request->at)) {
    request->offset = std::clamp(*offset, index_.log_start(), visible_end_);
  } else {
    return TimeLookup::begin(std::move(request), index_, visible_end_, ctx_);
  }
  ctx_->reply(std::move(request));
}

void Partition::find(std::unique_ptr<FindEvents> request) {
  EventSearch::begin(std::move(request), index_, visible_end_, ctx_);
}

int64_t Partition::append_time_hint_us(Offset offset) const {
  const size_t at = tail_->find(offset);
  if (at < tail_->size()) return (*tail_)[at].batch.append_time_us;
  const auto* span = index_.month_of(offset);
  return span == nullptr ? 0 : span->row.first_append_us;
}

PartitionStats Partition::stats() const {
  PartitionStats stats;
  stats.partition = number_;
  stats.log_start = index_.log_start();
  stats.visible_end = visible_end_;
  stats.bytes = index_.total_bytes();
  stats.delayed = delayed_.count();
  for (const auto& span : index_.months()) {
    stats.months.push_back({span.row.month, span.first_offset, static_cast<int64_t>(span.row.bytes),
                            static_cast<int64_t>(span.row.events)});
  }
  if (!index_.months().empty()) {
    stats.first_append_us = index_.months().front().row.first_append_us;
    stats.last_append_us = index_.months().back().row.last_append_us;
  }
  return stats;
}

// ---- housekeeping and the end

void Partition::expire() {
  const int64_t now_us = ctx_->now().wall_us;
  if (producers_.anything_to_expire(now_us)) {
    producers_.expire(now_us, index_.partition(), &ctx_->writes(this));
  }
  if (event_ids_.anything_to_expire(now_us)) event_ids_.expire(now_us, &ctx_->writes(this));
}

void Partition::trim(Offset to, int64_t bytes_in_month, std::vector<storage::Place> places) {
  if (import_ != nullptr && import_->sequence != 0) return;  // the log is about to begin earlier
  metrics::add(metrics::Counter::retention_events_dropped,
               static_cast<uint64_t>(std::max<int64_t>(to - index_.log_start(), 0)));
  const int64_t before_bytes = index_.total_bytes();
  for (const auto& gone : index_.trim(to, bytes_in_month, &ctx_->writes(this))) {
    note_gone(gone, Access::node(index_.partition().tenant), "retention");
  }
  stored_.add(index_.total_bytes() - before_bytes);
  // An earlier cut that is not durable yet lies below this one.
  if (trimmed_) places.insert(places.end(), trimmed_->places.begin(), trimmed_->places.end());
  trimmed_ = Trimmed{ctx_->sequence(), to, std::move(places)};
}

// The receipt: whoever kept the batches can compute the digest again.
void Partition::note_gone(const LogIndex::MonthSpan& month, const TenantContext& who,
                          const std::string& why) {
  const storage::MonthRow& row = month.row;
  ctx_->audit().note(
      who, {AuditAction::month_dropped,
            "topic " + topic_->name + " partition " + std::to_string(number_.value()) + " month " +
                std::to_string(row.month.value()),
            why,
            {{"offsets", std::to_string(month.first_offset.value()),
              std::to_string(month.first_offset.value() + static_cast<int64_t>(row.events))},
             {"events", std::to_string(row.events), "0"},
             {"bytes", std::to_string(row.bytes), "0"},
             {"digest", std::to_string(row.digest), ""}}});
}

void Partition::compact(const Trimmed& trimmed) {
  for (const storage::Place& place : trimmed.places) {
    auto* compaction = new Compaction;
    compaction->kind = storage::Maintenance::Kind::compact_range;
    compaction->place = place;
    compaction->month = place.month;
    compaction->tenant = place.tenant;
    compaction->from = storage::log_key(storage::LogKind::batch, index_.partition(), Offset(0));
    compaction->to = storage::log_key(storage::LogKind::batch, index_.partition(), trimmed.to);
    compaction->sink = ctx_->sink();
    ctx_->store().maintain(compaction);
  }
}

void Partition::purge() {
  seal();
  auto& writes = ctx_->writes(this);
  const PartitionKey& key = index_.partition();
  remove_import(&writes);
  for (const auto& span : index_.months()) {
    for (auto kind : {storage::LogKind::batch, storage::LogKind::chunk, storage::LogKind::lookup}) {
      const auto prefix = storage::log_prefix(kind, key);
      writes.remove_range(index_.log_place(span.row.month), prefix, prefix.after_prefix());
    }
  }
  const storage::Place state = storage::state_place(key.tenant);
  for (auto kind : {storage::StateKind::months, storage::StateKind::producers,
                    storage::StateKind::log_start, storage::StateKind::lookup_span,
                    storage::StateKind::epoch_start, storage::StateKind::month_import}) {
    const auto prefix = storage::state_prefix(kind, key);
    writes.remove_range(state, prefix, prefix.after_prefix());
  }
  stored_.leave();
  close(Error(ErrorCode::unknown_topic, "'" + topic_->name + "' was deleted"));
}

void Partition::close(const Error& error) {
  state_ = State::closed;
  stored_.end();
  ctx_->disarm(&due_);
  auto answer = [&](RequestPtr request) {
    request->error = error;
    ctx_->reply(std::move(request));
  };
  for (auto& fetch : fetches_.take_all()) answer(std::move(fetch));
  for (auto& request : waiting_) answer(std::move(request));
  waiting_.clear();
  ctx_->tail().close(*tail_);
}

}  // namespace headrace::core

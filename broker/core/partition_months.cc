// What a partition does with a whole month of its log: lets it go by hand, and takes it back from a
// file.
#include "broker/core/audit.h"
#include "broker/core/month_import.h"
#include "broker/core/partition.h"
#include "metrics/counters.h"

namespace headrace::core {
namespace {

std::string text_of(Month month) {
  return std::to_string(month.value());
}

}  // namespace

// Makes the log family of an import's month, then goes on. The shard stays, whatever becomes of the
// partition.
struct Partition::ImportFamily final : storage::Maintenance {
  void run() override {
    std::unique_ptr<ImportFamily> self(this);
    if (auto partition = owner.lock()) return partition->start_import(std::move(request), status);
    request->error = Error(ErrorCode::loading, "the partition was closed meanwhile");
    ctx->reply(std::move(request));
  }
  std::weak_ptr<Partition> owner;
  Ctx* ctx = nullptr;
  std::unique_ptr<BeginImport> request;
};

// ---- dropped by hand

// Where the month ends, if it is the oldest; the log's start if the partition has nothing of it.
Error Partition::check_drop(Month month, Offset* end) const {
  *end = index_.log_start();
  const auto& months = index_.months();
  size_t at = 0;
  while (at < months.size() && months[at].row.month != month) ++at;
  if (at == months.size()) return {};
  if (at > 0) {
    return {ErrorCode::month_not_oldest, topic_->name + " partition " +
                                             std::to_string(number_.value()) + " has " +
                                             text_of(months.front().row.month)};
  }
  if (import_ != nullptr && import_->sequence != 0)
    return {ErrorCode::busy, "an import ends there"};
  if (months.size() > 1) {
    *end = months[1].first_offset;
  } else {
    if (visible_end_ != index_.next_offset() || !fold_.empty()) {
      return {ErrorCode::busy, "its last events are being written"};
    }
    *end = index_.next_offset();
  }
  return {};
}

DroppedMonth Partition::drop_month(Month month, const TenantContext& who, const std::string& why) {
  DroppedMonth dropped;
  Offset end;
  if (check_drop(month, &end) || end == index_.log_start()) return dropped;
  const int64_t before_bytes = index_.total_bytes();
  dropped.events = end - index_.log_start();
  metrics::add(metrics::Counter::retention_events_dropped, static_cast<uint64_t>(dropped.events));
  auto& writes = ctx_->writes(this);
  const bool all = index_.months().size() == 1;
  for (const auto& gone : all ? index_.trim_all(&writes) : index_.trim(end, 0, &writes)) {
    note_gone(gone, who, why);
  }
  dropped.bytes = before_bytes - index_.total_bytes();
  stored_.add(-dropped.bytes);
  std::vector<storage::Place> places{index_.log_place(month)};
  if (trimmed_) places.insert(places.end(), trimmed_->places.begin(), trimmed_->places.end());
  trimmed_ = Trimmed{ctx_->sequence(), end, std::move(places)};
  return dropped;
}

// ---- imports

Error Partition::check_import(const BeginImport& import, bool* present) const {
  *present = false;
  const auto& months = index_.months();
  for (const auto& span : months) {
    *present = *present || (span.first_offset == import.first && span.row.month == import.month &&
                            import.end - import.first == static_cast<int64_t>(span.row.events) &&
                            span.row.digest == import.digest && index_.log_start() <= import.first);
  }
  if (*present) return {};
  if (import_ != nullptr && import_->sequence != 0)
    return {ErrorCode::busy, "an import ends there"};
  const std::string here = topic_->name + " partition " + std::to_string(number_.value());
  const bool fresh = months.empty() && index_.next_offset() == Offset(0) && fold_.empty();
  if (fresh) return {};
  if (import.end != index_.log_start()) {
    return {ErrorCode::range_taken, here + " begins at " +
                                        std::to_string(index_.log_start().value()) +
                                        ": an import must end there, this one ends at " +
                                        std::to_string(import.end.value())};
  }
  if (months.empty()) return {};
  if (months.front().first_offset != index_.log_start() ||
      months.front().row.month < import.month) {
    return {ErrorCode::range_taken,
            here + " has part of month " + text_of(months.front().row.month) + ", or older ones"};
  }
  return {};
}

void Partition::begin_import(std::unique_ptr<BeginImport> request) {
  const Error error = check_import(*request, &request->present);
  if (error || request->present) {
    request->error = error;
    return ctx_->reply(std::move(request));
  }
  auto* family = new ImportFamily;
  family->kind = storage::Maintenance::Kind::create_month;
  family->month = request->month;
  family->sink = ctx_->sink();
  family->owner = weak_from_this();
  family->ctx = ctx_;
  family->request = std::move(request);
  ctx_->store().maintain(family);
}

// What an earlier one left goes; what there is in front of the log is this one's.
void Partition::start_import(std::unique_ptr<BeginImport> request, storage::Status status) {
  Error error = status == storage::Status::ok ? check_import(*request, &request->present)
                                              : Error(from_store(status), "the month's family");
  if (state_ != State::ready) error = Error(ErrorCode::loading, "the partition was closed");
  if (error || request->present) {
    request->error = error;
    return ctx_->reply(std::move(request));
  }
  auto& writes = ctx_->writes(this);
  remove_import(&writes);
  int64_t latest_us = ctx_->now().wall_us;
  if (!index_.months().empty()) latest_us = index_.months().front().row.first_append_us;
  import_ = std::make_unique<MonthImport>(*request, index_.partition(), latest_us);
  import_row_ = import_->row();
  const storage::Place state = storage::state_place(topic_->tenant);
  writes.put(state, storage::month_import_key(index_.partition()), import_row_->encode());
  if (index_.next_offset() == Offset(0)) {
    index_.start_at(request->end, &writes);
    visible_end_ = request->end;
    for (auto& waiting : fetches_.take_all()) fetch(std::move(waiting));  // their place is gone
  }
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// Rows in front of the log; look-up rows share segments with those behind it, which stay.
void Partition::remove_import(storage::WriteSet* writes) {
  if (!import_row_) return;
  const PartitionKey& key = index_.partition();
  const storage::Place place = index_.log_place(import_row_->month);
  for (auto kind : {storage::LogKind::batch, storage::LogKind::chunk}) {
    writes->remove_range(place, storage::log_key(kind, key, import_row_->first),
                         storage::log_key(kind, key, import_row_->end));
  }
  const auto& months = index_.months();
  const bool shared = std::any_of(months.begin(), months.end(), [&](const auto& span) {
    return span.row.month == import_row_->month;
  });
  const auto lookups = storage::log_prefix(storage::LogKind::lookup, key);
  if (!shared) writes->remove_range(place, lookups, lookups.after_prefix());
  writes->remove(storage::state_place(topic_->tenant), storage::month_import_key(key));
  import_row_.reset();
  import_.reset();
}

Error Partition::check_batches(const ImportBatches& request) const {
  if (import_ == nullptr) return {ErrorCode::import_lost, topic_->name};
  if (import_->sequence != 0) return {ErrorCode::busy, "the import ends"};
  if (ctx_->store().pressure().disk != storage::Pressure::Disk::ok) {
    return Error(ErrorCode::disk_full);
  }
  const TenantPtr tenant = ctx_->catalog()->tenant(topic_->tenant);
  if (tenant != nullptr) {
    const int64_t limit = tenant->quotas.of(Quota::stored_bytes);
    const int64_t stored =
        tenant->use->stored_bytes.load(std::memory_order_relaxed) + import_->front().total_bytes();
    if (limit > 0 && stored >= limit) {
      return quota_reached(Quota::stored_bytes, tenant->quotas, tenant->use.get());
    }
  }
  return import_->check(request);
}

void Partition::import_batches(std::unique_ptr<ImportBatches> request) {
  request->error = check_batches(*request);
  if (request->error) return ctx_->reply(std::move(request));
  auto& writes = ctx_->writes(this);
  import_->add(*request, &writes);
  request->next = import_->next();
  if (import_->complete()) {
    request->error = finish_import(request->tenant, &writes);
    request->done = !request->error;
  }
  ctx_->reply_committed(std::move(request), Durability::durable);
}

Error Partition::finish_import(const TenantContext& who, storage::WriteSet* writes) {
  if (import_->row().end != index_.log_start()) {
    import_.reset();
    return {ErrorCode::range_taken, topic_->name + ": its log has moved on meanwhile"};
  }
  if (Error error = import_->close(writes)) {
    import_.reset();
    return error;
  }
  index_.put_front(import_->front(), writes);
  writes->remove(storage::state_place(topic_->tenant),
                 storage::month_import_key(index_.partition()));
  const auto& span = import_->front().months().front();
  ctx_->audit().note(
      who, {AuditAction::month_imported,
            "topic " + topic_->name + " partition " + std::to_string(number_.value()) + " month " +
                text_of(span.row.month),
            "",
            {{"offsets", std::to_string(span.first_offset.value()),
              std::to_string(import_->row().end.value())},
             {"events", "0", std::to_string(span.row.events)},
             {"bytes", "0", std::to_string(span.row.bytes)},
             {"digest", "", std::to_string(span.row.digest)},
             {"file", "", import_->file_hash()}}});
  import_->sequence = ctx_->sequence();
  return {};
}

// Durable: who reads may know now.
void Partition::show_import() {
  stored_.add(import_->front().total_bytes());
  index_.take_front(import_->front());
  import_.reset();
  import_row_.reset();
}

}  // namespace headrace::core

#include "broker/core/partition_load.h"

#include <array>

#include "broker/core/partition.h"
#include "metrics/log.h"
#include "storage/chunk.h"

namespace headrace::core {

// One scan object that goes from step to step.
struct PartitionLoad::Steps final : storage::Scan {
  enum class Step : uint8_t {
    months,
    log_start,
    lookup_span,
    import,
    import_rows,
    producers,
    delayed,
    dedup,
    newest_chunk,
    open_chunk
  };

  void run() override {
    auto partition = owner.lock();
    if (partition == nullptr) {
      delete this;
      return;
    }
    // An import that had begun, no more: its month has no family then.
    if (step == Step::import_rows && status == storage::Status::gone) {
      partition->import_row_.reset();
      return begin(Step::producers, *partition);
    }
    if (status != storage::Status::ok) return finish(*partition, status);
    for (const Row& row : rows) {
      if (!take(*partition, row)) return finish(*partition, storage::Status::corrupt);
    }
    if (more && step != Step::newest_chunk && step != Step::import_rows) {
      from = storage::Key(std::string(rows.back().key.view()) + '\0');
      return scan();
    }
    next(*partition);
  }

  void begin(Step what, Partition& partition) {
    step = what;
    const PartitionKey& key = partition.index_.partition();
    reverse = false;
    max_rows = 1'000;
    max_bytes = 64u << 20;
    place = storage::state_place(key.tenant);
    switch (what) {
      case Step::months:
        from = storage::state_prefix(storage::StateKind::months, key);
        break;
      case Step::log_start:
        from = storage::log_start_key(key);
        break;
      case Step::lookup_span:
        from = storage::lookup_span_key(key);
        break;
      case Step::import:
        from = storage::month_import_key(key);
        break;
      case Step::import_rows:
        place = partition.index_.log_place(partition.import_row_->month);
        from = storage::log_prefix(storage::LogKind::chunk, key);
        max_rows = 1;
        break;
      case Step::producers:
        from = storage::state_prefix(storage::StateKind::producers, key);
        break;
      case Step::delayed:
        place.table = storage::Table::delayed;
        from = storage::delayed_totals_key(key);
        break;
      case Step::dedup:
        place.table = storage::Table::dedup;
        from = partition.event_ids_.load_from(ctx->now().wall_us);
        to = storage::dedup_prefix(key).after_prefix();
        return scan();
      case Step::newest_chunk:
        place = newest_place(partition);
        from = storage::log_prefix(storage::LogKind::chunk, key);
        reverse = true;
        max_rows = 1;
        break;
      case Step::open_chunk:
        place = newest_place(partition);
        from = storage::log_key(storage::LogKind::batch, key, partition.index_.next_offset());
        to = storage::log_prefix(storage::LogKind::batch, key).after_prefix();
        return scan();
    }
    to = from.after_prefix();
    scan();
  }

 private:
  static storage::Place newest_place(const Partition& partition) {
    return partition.index_.log_place(partition.index_.months().back().row.month);
  }

  void scan() {
    rows.clear();
    more = false;
    sink = ctx->sink();
    ctx->store().scan(this);
  }

  bool take(Partition& partition, const Row& row) {
    switch (step) {
      case Step::months: {
        const auto first = storage::parse_trailing_i64(row.key.view());
        const auto month = storage::MonthRow::decode(row.value.view());
        if (!first || !month) return false;
        partition.index_.load_month(Offset(*first), *month);
        return true;
      }
      case Step::log_start:
        return partition.index_.load_log_start(row.value.view());
      case Step::lookup_span:
        return partition.index_.load_lookup_span(row.value.view());
      case Step::import:
        partition.import_row_ = storage::ImportRow::decode(row.value.view());
        return partition.import_row_.has_value();
      case Step::import_rows:
        return true;  // whose they are is known
      case Step::producers:
        partition.producers_.load(row.key.view(), row.value.view());
        return true;
      case Step::delayed:
        partition.delayed_.load_totals(row.value.view());
        return true;
      case Step::dedup:
        if (partition.event_ids_.load(row.key.view(), row.value.view())) return true;
        log::error("a row of event ids does not parse; its events may be published again",
                   {{"row", storage::to_text(storage::Table::dedup, row.key.view())}});
        return true;
      case Step::newest_chunk:
        return check_chunk(partition, row);
      case Step::open_chunk:
        return take_batch(partition, row);
    }
    return false;
  }

  // The months row was written with this chunk row: both must end at the same offset.
  static bool check_chunk(const Partition& partition, const Row& row) {
    const auto key = storage::parse_log_key(row.key.view());
    const auto chunk = storage::ChunkRow::decode(row.value.view());
    return key && chunk &&
           key->base_offset + chunk->last_offset_delta + 1 <= partition.index_.next_offset();
  }

  bool take_batch(Partition& partition, const Row& row) {
    auto stored = storage::open_value(row.value.view());
    if (!stored) return false;
    SharedBytes batch = stored->batch_in(row.value);
    storage::BatchHeader header;
    if (storage::check_header(batch.span(), &header) != storage::BatchError::ok) return false;
    if (header.base_offset != partition.index_.next_offset().value()) return false;
    storage::Summary summary;
    if (header.codec() == storage::Codec::none) {
      const auto records = batch.span().subspan(storage::kBatchHeaderSize);
      if (storage::walk(records, header, &summary) != storage::BatchError::ok) return false;
    } else {
      summary.types_unknown = true;
    }
    const Offset base = partition.index_.next_offset();
    partition.index_.load_batch(header, summary, stored->append_time_us);
    ctx->tail().append(partition.tail_,
                       TailBatch{base, base + (header.record_count - 1),
                                 StoredBatch{std::move(batch), stored->append_time_us,
                                             std::move(stored->violations)},
                                 0});
    return true;
  }

  void next(Partition& partition) {
    switch (step) {
      case Step::months:
        return begin(Step::log_start, partition);
      case Step::log_start:
        return begin(Step::lookup_span, partition);
      case Step::lookup_span:
        return begin(Step::import, partition);
      case Step::import:
        if (partition.import_row_) return begin(Step::import_rows, partition);
        [[fallthrough]];
      case Step::import_rows:
        return begin(Step::producers, partition);
      case Step::producers:
        return begin(Step::delayed, partition);
      case Step::delayed:
        if (partition.event_ids_.on()) return begin(Step::dedup, partition);
        [[fallthrough]];
      case Step::dedup:
        if (partition.index_.months().empty()) return finish(partition, storage::Status::ok);
        return begin(Step::newest_chunk, partition);
      case Step::newest_chunk:
        return begin(Step::open_chunk, partition);
      case Step::open_chunk:
        return finish(partition, storage::Status::ok);
    }
  }

  void finish(Partition& partition, storage::Status verdict) {
    std::unique_ptr<Steps> self(this);
    if (partition.state_ == Partition::State::closed) return;
    partition.visible_end_ = partition.index_.next_offset();
    partition.state_ =
        verdict == storage::Status::ok ? Partition::State::ready : Partition::State::failed;
    if (verdict != storage::Status::ok) {
      log::error("a partition does not load; requests to it are refused",
                 {{"topic", partition.topic_->name},
                  {"partition", partition.number_.value()},
                  {"status", storage::to_string(verdict)}});
    }
    if (verdict == storage::Status::ok) {
      partition.stored_.begin(partition.index_.total_bytes());
      partition.delayed_.begin();
    }
    loaded();
  }

 public:
  std::weak_ptr<Partition> owner;
  Ctx* ctx = nullptr;
  std::function<void()> loaded;
  Step step = Step::months;
};

void PartitionLoad::begin(std::shared_ptr<Partition> partition, Ctx* ctx,
                          std::function<void()> loaded) {
  auto* steps = new Steps;
  steps->owner = partition;
  steps->ctx = ctx;
  steps->loaded = std::move(loaded);
  steps->begin(Steps::Step::months, *partition);
}

}  // namespace headrace::core

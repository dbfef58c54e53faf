#include "broker/core/cold_read.h"

#include <algorithm>

#include "broker/core/filter.h"
#include "broker/limits.h"
#include "metrics/counters.h"

namespace headrace::core {
namespace {

// What both steps share; owned by whichever of the two is on its way.
struct ColdJob {
  std::unique_ptr<Fetch> request;
  PartitionKey partition;
  storage::Place place;
  Offset visible_end;
  Ctx* ctx;
  Offset from;  // what is wanted; above the request's offset after chunks that cannot match

  bool may_match(const storage::ChunkRow& row) const {
    return std::all_of(
        request->filters.begin(), request->filters.end(),
        [&](const FilterPtr& filter) { return filter == nullptr || filter->may_match(row); });
  }
  void skip_to(Offset offset) { request->skipped_to = from = std::min(offset, visible_end); }
  void fail(storage::Status status) {
    request->error = Error(from_store(status), "reading " + request->topic->name + " at " +
                                                   std::to_string(request->offset.value()));
    ctx->reply(std::move(request));
  }
};

struct ReadBatches final : storage::Read {
  void run() override {
    std::unique_ptr<ReadBatches> self(this);
    if (status != storage::Status::ok) return job.fail(status);
    size_t bytes = 0;
    for (const Item& item : items) {
      // A hole can only be retention that came meanwhile.
      if (!item.found) break;
      auto stored = storage::open_value(item.value.view());
      if (!stored || stored->batch.size() < storage::kBatchHeaderSize) {
        return job.fail(storage::Status::corrupt);
      }
      bytes += item.value.size();
      job.request->batches.push_back(
          {stored->batch_in(item.value), stored->append_time_us, std::move(stored->violations)});
    }
    if (job.request->batches.empty()) return job.fail(storage::Status::gone);
    metrics::add(metrics::Counter::fetch_bytes, bytes);
    job.ctx->reply(std::move(job.request));
  }
  ColdJob job;
};

// Reads of `row`'s batches from the wanted offset on, as many as the request takes.
void read_batches(ColdJob job, const storage::ChunkRow& row, Offset base) {
  auto* read = new ReadBatches;
  size_t bytes = 0;
  for (const auto& batch : row.batches) {
    const Offset first = base + batch.offset_delta;
    const Offset next = first + batch.record_count;
    if (next <= job.from) continue;
    if (next > job.visible_end) break;
    if (bytes > 0 && bytes + batch.size > job.request->max_bytes) break;
    bytes += batch.size;
    read->items.push_back(
        {job.place, storage::log_key(storage::LogKind::batch, job.partition, first), {}, false});
  }
  if (read->items.empty()) {
    delete read;
    return job.fail(storage::Status::corrupt);
  }
  read->sink = job.ctx->sink();
  read->job = std::move(job);
  read->job.ctx->store().read(read);
}

// The chunks after one in which nothing matches, until one in which something may. Ends with what
// it has skipped at the month's end, too: where to go on from there is for the next request.
struct SkipChunks final : storage::Scan {
  static void begin(ColdJob job) {
    auto* scan = new SkipChunks;
    scan->place = job.place;
    scan->from = storage::log_key(storage::LogKind::chunk, job.partition, job.from);
    scan->to = storage::log_key(storage::LogKind::chunk, job.partition, job.visible_end);
    scan->max_rows = limits::kChunksPerSkip;
    scan->sink = job.ctx->sink();
    scan->job = std::move(job);
    scan->job.ctx->store().scan(scan);
  }
  void run() override {
    std::unique_ptr<SkipChunks> self(this);
    if (status != storage::Status::ok) return job.fail(status);
    for (const auto& found : rows) {
      const auto key = storage::parse_log_key(found.key.view());
      const auto row = storage::ChunkRow::decode(found.value.view());
      if (!key || !row) return job.fail(storage::Status::corrupt);
      if (job.may_match(*row)) {
        job.skip_to(key->base_offset);
        return read_batches(std::move(job), *row, key->base_offset);
      }
      metrics::add(metrics::Counter::fetch_chunks_skipped);
      job.skip_to(key->base_offset + row->last_offset_delta + 1);
    }
    job.ctx->reply(std::move(job.request));
  }
  ColdJob job;
};

struct FindChunk final : storage::Scan {
  void run() override {
    std::unique_ptr<FindChunk> self(this);
    if (status != storage::Status::ok) return job.fail(status);
    if (rows.empty()) return job.fail(storage::Status::gone);
    const auto key = storage::parse_log_key(rows.front().key.view());
    const auto row = storage::ChunkRow::decode(rows.front().value.view());
    if (!key || !row) return job.fail(storage::Status::corrupt);
    if (key->base_offset + row->last_offset_delta < job.from) {
      return job.fail(storage::Status::gone);
    }
    if (!job.may_match(*row)) {
      metrics::add(metrics::Counter::fetch_chunks_skipped);
      job.skip_to(key->base_offset + row->last_offset_delta + 1);
      return SkipChunks::begin(std::move(job));
    }
    read_batches(std::move(job), *row, key->base_offset);
  }
  ColdJob job;
};

// What the store has no chunk rows of yet.
void read_by_memory(ColdJob job, const LogIndex& index) {
  for (const auto& chunk : index.closing()) {
    if (chunk.end() <= job.from) continue;
    if (job.may_match(chunk.row)) {
      job.place = index.log_place(chunk.month);
      return read_batches(std::move(job), chunk.row, chunk.base);
    }
    metrics::add(metrics::Counter::fetch_chunks_skipped);
    job.skip_to(chunk.end());
    if (job.from >= job.visible_end) return job.ctx->reply(std::move(job.request));
  }
  const storage::ChunkRow& open = index.open_chunk().so_far();
  if (job.may_match(open)) {
    job.place = index.log_place(index.months().back().row.month);
    return read_batches(std::move(job), open, index.chunked_end());
  }
  metrics::add(metrics::Counter::fetch_chunks_skipped);
  job.skip_to(job.visible_end);
  job.ctx->reply(std::move(job.request));
}

}  // namespace

void ColdRead::begin(std::unique_ptr<Fetch> request, const LogIndex& index, Offset visible_end,
                     Ctx* ctx) {
  const Offset from = std::max(request->offset, request->skipped_to);
  ColdJob job{std::move(request), index.partition(), {}, visible_end, ctx, from};
  const auto* month = index.month_of(from);
  if (month == nullptr) return job.fail(storage::Status::gone);
  if (from >= index.stored_end()) return read_by_memory(std::move(job), index);
  job.place = index.log_place(month->row.month);
  auto* scan = new FindChunk;
  scan->place = job.place;
  scan->from = storage::log_prefix(storage::LogKind::chunk, job.partition);
  scan->to = storage::log_key(storage::LogKind::chunk, job.partition, from + 1);
  scan->reverse = true;
  scan->max_rows = 1;
  scan->sink = ctx->sink();
  scan->job = std::move(job);
  ctx->store().scan(scan);
}

}  // namespace headrace::core

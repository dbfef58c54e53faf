#include "broker/core/event_search.h"

#include <algorithm>

#include "broker/core/search_walk.h"

namespace headrace::core {
namespace {

void answer(SearchPtr search) {
  FindEvents& request = *search->request;
  const bool at_start = search->batches.empty() && search->below <= search->log_start;
  request.searched_to = search->batches.empty() ? search->below : search->looked_to;
  if (search->page_full()) request.searched_to = request.events.back().offset;
  request.searched_to = std::min(request.searched_to, search->end);
  request.more = search->page_full() ? request.searched_to > search->log_start : !at_start;
  search->ctx->reply(std::move(search->request));
}

// ---- what is in the batches

struct BatchReads;

// Some of the batches that are read next. The worker that read them looks through them.
struct BatchRead final : storage::Read {
  bool wants(size_t item, std::string_view value) noexcept override;
  void run() override;
  storage::Status take(std::string_view value);

  BatchReads* reads = nullptr;
  std::vector<FoundEvent> found;  // newest first
  storage::Status taken = storage::Status::ok;
};

// The batches that are read next, a part by each worker. Owns itself.
struct BatchReads {
  bool enough(const BatchRead& part) const {
    return search->request->events.size() + part.found.size() >= search->request->page_size;
  }

  void on_read() {
    if (--open > 0) return;
    const std::unique_ptr<BatchReads> self(this);
    auto& events = search->request->events;
    for (const auto& part : parts) {
      // A month that was dropped meanwhile holds nothing.
      if (part->status != storage::Status::ok && part->status != storage::Status::gone) {
        return search->fail(part->status);
      }
      if (part->taken != storage::Status::ok) return search->fail(part->taken);
      for (auto one = part->found.begin(); one != part->found.end() && !search->page_full();
           ++one) {
        events.push_back(std::move(*one));
      }
      if (search->page_full()) break;
    }
    go_on(std::move(search));
  }

  SearchPtr search;
  std::vector<std::unique_ptr<BatchRead>> parts;  // newest first
  size_t open = 0;
};

void BatchRead::run() {
  reads->on_read();
}

// A hole can only be retention that came meanwhile.
bool BatchRead::wants(size_t /*item*/, std::string_view value) noexcept {
  if (taken == storage::Status::ok && !reads->enough(*this)) taken = take(value);
  return false;
}

storage::Status BatchRead::take(std::string_view value) {
  const SearchWalk& search = *reads->search;
  const auto stored = storage::open_value(value);
  if (!stored) return storage::Status::corrupt;
  const EventQuery& query = search.query();
  const int64_t append_us = stored->append_time_us;
  if (append_us < query.from_us || append_us >= query.to_us) return storage::Status::ok;
  const auto batch = std::as_bytes(std::span(stored->batch));
  const auto header = storage::read_header(batch);
  if (!header) return storage::Status::corrupt;
  std::span<const std::byte> records;
  std::string inflated;
  // What cannot be read has no attributes to be found by; its groups make a dead letter of it.
  if (storage::records_of(batch, *header, &inflated, limits::kInflateBytesMax, &records) !=
      storage::BatchError::ok) {
    return storage::Status::ok;
  }
  std::vector<storage::RecordView> matches;
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  while (reader.next(&record)) {
    const Offset offset = Offset(header->base_offset) + record.offset_delta;
    if (offset >= search.end) break;
    if (search.wants(offset, offset + 1) && query.matches(record)) matches.push_back(record);
  }
  for (auto match = matches.rbegin(); match != matches.rend() && !reads->enough(*this); ++match) {
    const Offset offset = Offset(header->base_offset) + match->offset_delta;
    found.push_back(
        {offset, append_us, storage::batch_of_one(*match, offset, Epoch(header->leader_epoch)),
         violation_text(stored->violations, static_cast<uint32_t>(match->offset_delta))});
  }
  return storage::Status::ok;
}

// The next batches, newest first, as many as are read at once.
std::vector<SearchWalk::Batch> take_batches(SearchWalk* search) {
  std::vector<SearchWalk::Batch> next;
  size_t bytes = 0;
  while (!search->batches.empty() && next.size() < search->batches_per_read) {
    const SearchWalk::Batch& batch = search->batches.front();
    if (bytes > 0 && bytes + batch.bytes > limits::kSearchBytesPerRead) break;
    bytes += batch.bytes;
    search->looked_to = batch.first;
    next.push_back(batch);
    search->batches.pop_front();
  }
  search->batches_per_read = std::min(2 * search->batches_per_read, limits::kSearchBatchesPerRead);
  search->bytes_left -= std::min(search->bytes_left, bytes);
  return next;
}

void read_batches(SearchPtr search) {
  const std::vector<SearchWalk::Batch> next = take_batches(search.get());
  auto* reads = new BatchReads;
  const size_t parts = std::min(next.size(), limits::kSearchReads);
  for (size_t part = 0; part < parts; ++part) {
    auto read = std::make_unique<BatchRead>();
    read->sink = search->ctx->sink();
    read->reads = reads;
    for (size_t i = next.size() * part / parts; i < next.size() * (part + 1) / parts; ++i) {
      read->items.push_back(
          {next[i].place,
           storage::log_key(storage::LogKind::batch, search->partition, next[i].first),
           {},
           false});
    }
    reads->parts.push_back(std::move(read));
  }
  reads->open = parts;
  storage::Store& store = search->ctx->store();
  reads->search = std::move(search);
  for (size_t part = 0; part < parts; ++part) store.read(reads->parts[part].get());
}

// The open chunk is memory.
void look_at_open_chunk(SearchWalk* search, const LogIndex& index) {
  const storage::ContentsRow& contents = index.open_lookups().contents();
  if (contents.batches.empty() || search->end <= index.chunked_end()) return;
  const auto* month = index.month_of(index.chunked_end());
  HR_CHECK(month != nullptr);
  std::vector<SearchWalk::Batch> chosen;
  search->choose(contents, index.chunked_end(), index.log_place(month->row.month), &chosen);
  const auto hits = index.open_lookups().find(search->entries);
  const auto hit = [&](const SearchWalk::Batch& batch) {
    return search->entries.empty() ||
           std::any_of(hits.begin(), hits.end(), [&](const storage::LookupHit& one) {
             return index.chunked_end() + one.offset_delta == batch.first;
           });
  };
  for (auto batch = chosen.rbegin(); batch != chosen.rend(); ++batch) {
    if (hit(*batch)) search->batches.push_back(*batch);
  }
}

// Closed chunks whose rows are not in the store yet are memory, too.
void look_at_closing_chunks(SearchWalk* search, const LogIndex& index) {
  const auto& closing = index.closing();
  for (auto chunk = closing.rbegin(); chunk != closing.rend(); ++chunk) {
    search->choose(chunk->row, chunk->base, index.log_place(chunk->month));
  }
}

}  // namespace

void go_on(SearchPtr search) {
  const bool spent = search->bytes_left == 0 || (search->rows_left == 0 && search->batches.empty());
  const bool over = search->batches.empty() && search->below <= search->log_start;
  if (search->page_full() || spent || over) return answer(std::move(search));
  if (!search->batches.empty()) return read_batches(std::move(search));
  look_for_batches(std::move(search));
}

void EventSearch::begin(std::unique_ptr<FindEvents> request, const LogIndex& index,
                        Offset visible_end, Ctx* ctx) {
  request->log_start = index.log_start();
  request->visible_end = visible_end;
  auto search = std::make_unique<SearchWalk>();
  search->partition = index.partition();
  search->months = index.months();
  search->log_start = index.log_start();
  search->lookups_from = index.lookups_from();
  search->end = std::min(request->before, visible_end);
  search->below = std::min(search->end, index.stored_end());
  search->looked_to = search->end;
  search->entries = request->query->entries();
  if (!request->query->id.empty()) {  // there is one such event, or none
    search->rows_per_scan = limits::kSearchLookupRowsPerScan;
    search->segments_per_look = limits::kSearchSegmentsPerLook;
  }
  if (request->goes_on) {
    search->rows_per_scan = limits::kSearchRowsGoingOn;
    search->batches_per_read = limits::kSearchBatchesPerRead;
  }
  search->ctx = ctx;
  search->request = std::move(request);
  look_at_open_chunk(search.get(), index);
  look_at_closing_chunks(search.get(), index);
  go_on(std::move(search));
}

}  // namespace headrace::core

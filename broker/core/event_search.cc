#include "broker/core/event_search.h"

#include <algorithm>
#include <deque>

#include "broker/limits.h"

namespace headrace::core {
namespace {

struct Chunk {
  storage::ChunkRow row;
  Offset base;
  storage::Place place;

  Offset end() const { return base + row.last_offset_delta + 1; }
};

// Travels from stage to stage; owned by whichever is on its way.
struct Search {
  std::unique_ptr<FindEvents> request;
  PartitionKey partition;
  std::vector<LogIndex::MonthSpan> months;
  Offset log_start;
  Offset end;    // of what is searched; events at or above it are not looked at
  Offset below;  // chunks that begin at or above it have been looked at, or wait in `chunks`
  std::deque<Chunk> chunks;  // something may match in them; newest first
  size_t rows_left = limits::kSearchRows;
  size_t bytes_left = limits::kSearchBytes;
  Ctx* ctx = nullptr;

  const EventQuery& query() const { return *request->query; }
  // One of the offsets that were asked for, if not all were.
  bool wants(Offset first, Offset to) const {
    if (request->only == nullptr) return true;
    const auto at = std::lower_bound(request->only->begin(), request->only->end(), first);
    return at != request->only->end() && *at < to;
  }
  bool may_match(const storage::ChunkRow& row, Offset base) const {
    return wants(base, base + row.last_offset_delta + 1) && query().may_match(row);
  }
  // Nothing is looked for between the last offset that is wanted and `below`.
  void skip_unwanted() {
    if (request->only == nullptr) return;
    const auto after = std::lower_bound(request->only->begin(), request->only->end(), below);
    below = after == request->only->begin() ? log_start : std::min(below, *std::prev(after) + 1);
    below = std::max(below, log_start);
  }
  bool page_full() const { return request->events.size() >= request->page_size; }
  void answer() {
    const bool at_start = chunks.empty() && below <= log_start;
    request->searched_to = chunks.empty() ? below : std::min(chunks.front().end(), end);
    if (page_full()) request->searched_to = request->events.back().offset;
    request->more = page_full() ? request->searched_to > log_start : !at_start;
    ctx->reply(std::move(request));
  }
  void fail(storage::Status status) {
    request->error = Error(from_store(status), "searching " + request->topic->name);
    ctx->reply(std::move(request));
  }
};
using SearchPtr = std::unique_ptr<Search>;

void go_on(SearchPtr search);

// ---- which chunks

struct DecodeRows final : storage::Work {
  void execute() noexcept override {
    for (const auto& found : rows) {
      const auto key = storage::parse_log_key(found.key.view());
      auto row = storage::ChunkRow::decode(found.value.view());
      if (!key || !row) {
        status = storage::Status::corrupt;
        return;
      }
      search->below = key->base_offset;
      if (row->last_append_us < search->query().from_us) {
        search->below = search->log_start;  // append times do not go back
        return;
      }
      if (key->base_offset < search->end && search->may_match(*row, key->base_offset)) {
        search->chunks.push_back({std::move(*row), key->base_offset, place});
      }
    }
  }
  void run() override {
    std::unique_ptr<DecodeRows> self(this);
    if (status != storage::Status::ok) return search->fail(status);
    go_on(std::move(search));
  }
  SearchPtr search;
  storage::Place place;
  std::vector<storage::Scan::Row> rows;
};

struct ScanRows final : storage::Scan {
  void run() override {
    std::unique_ptr<ScanRows> self(this);
    if (status != storage::Status::ok && status != storage::Status::gone) {
      return search->fail(status);
    }
    if (rows.empty()) {  // trimmed away: what is left is in the months after it
      search->below = month_first;
      return go_on(std::move(search));
    }
    search->rows_left -= std::min(search->rows_left, rows.size());
    auto* decode = new DecodeRows;
    decode->sink = search->ctx->sink();
    decode->place = place;
    decode->rows = std::move(rows);
    decode->search = std::move(search);
    decode->search->ctx->store().work(decode);
  }
  SearchPtr search;
  Offset month_first;
};

void scan_rows(SearchPtr search) {
  search->skip_unwanted();
  if (search->below <= search->log_start) return go_on(std::move(search));
  const auto after = std::find_if(
      search->months.begin(), search->months.end(),
      [&](const LogIndex::MonthSpan& month) { return month.first_offset >= search->below; });
  if (after == search->months.begin()) {
    search->below = search->log_start;
    return go_on(std::move(search));
  }
  const LogIndex::MonthSpan& month = *std::prev(after);
  if (month.row.first_append_us >= search->query().to_us) {  // wholly above the range
    search->below = std::max(month.first_offset, search->log_start);
    return go_on(std::move(search));
  }
  auto* scan = new ScanRows;
  scan->place = {storage::Table::log, month.row.month, search->partition.tenant};
  scan->from = storage::log_key(storage::LogKind::chunk, search->partition, month.first_offset);
  scan->to = storage::log_key(storage::LogKind::chunk, search->partition, search->below);
  scan->reverse = true;
  scan->max_rows = search->request->only == nullptr ? limits::kSearchRowsPerScan : 1;
  scan->sink = search->ctx->sink();
  scan->month_first = month.first_offset;
  scan->search = std::move(search);
  scan->search->ctx->store().scan(scan);
}

// ---- what is in them

struct Matching final : storage::Work {
  void execute() noexcept override {
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
      if (search->page_full()) return;
      // A hole can only be retention that came meanwhile.
      if (!item->found) continue;
      status = take(item->value);
      if (status != storage::Status::ok) return;
    }
  }
  storage::Status take(const SharedBytes& value) {
    const auto envelope = storage::Envelope::decode(value.span());
    if (!envelope || value.size() < storage::kEnvelopeSize) return storage::Status::corrupt;
    const EventQuery& query = search->query();
    const int64_t append_us = envelope->append_time_us;
    if (append_us < query.from_us || append_us >= query.to_us) return storage::Status::ok;
    const auto batch = value.span().subspan(storage::kEnvelopeSize);
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
      if (offset >= search->end) break;
      if (search->wants(offset, offset + 1) && query.matches(record)) matches.push_back(record);
    }
    for (auto match = matches.rbegin(); match != matches.rend() && !search->page_full(); ++match) {
      const Offset offset = Offset(header->base_offset) + match->offset_delta;
      search->request->events.push_back(
          {offset, append_us, storage::batch_of_one(*match, offset, Epoch(header->leader_epoch))});
    }
    return storage::Status::ok;
  }
  void run() override {
    std::unique_ptr<Matching> self(this);
    if (status != storage::Status::ok) return search->fail(status);
    if (!search->page_full()) search->chunks.pop_front();
    go_on(std::move(search));
  }
  SearchPtr search;
  std::vector<storage::Read::Item> items;  // batches of one chunk, oldest first
};

struct ReadChunk final : storage::Read {
  void run() override {
    std::unique_ptr<ReadChunk> self(this);
    // A month that was dropped meanwhile holds nothing.
    if (status != storage::Status::ok && status != storage::Status::gone) {
      return search->fail(status);
    }
    auto* matching = new Matching;
    matching->sink = search->ctx->sink();
    matching->items = std::move(items);
    matching->search = std::move(search);
    matching->search->ctx->store().work(matching);
  }
  SearchPtr search;
};

void read_chunk(SearchPtr search) {
  auto* read = new ReadChunk;
  const Chunk& chunk = search->chunks.front();
  size_t bytes = 0;
  for (const auto& batch : chunk.row.batches) {
    const Offset first = chunk.base + batch.offset_delta;
    if (first >= search->end) break;
    if (!search->wants(first, first + batch.record_count)) continue;
    bytes += batch.size;
    read->items.push_back({chunk.place,
                           storage::log_key(storage::LogKind::batch, search->partition, first),
                           {},
                           false});
  }
  search->bytes_left -= std::min(search->bytes_left, bytes);
  read->sink = search->ctx->sink();
  read->search = std::move(search);
  read->search->ctx->store().read(read);
}

void go_on(SearchPtr search) {
  const bool spent = search->bytes_left == 0 || (search->rows_left == 0 && search->chunks.empty());
  const bool over = search->chunks.empty() && search->below <= search->log_start;
  if (search->page_full() || spent || over) return search->answer();
  if (!search->chunks.empty()) return read_chunk(std::move(search));
  scan_rows(std::move(search));
}

}  // namespace

void EventSearch::begin(std::unique_ptr<FindEvents> request, const LogIndex& index,
                        Offset visible_end, Ctx* ctx) {
  request->log_start = index.log_start();
  request->visible_end = visible_end;
  auto search = std::make_unique<Search>();
  search->partition = index.partition();
  search->months = index.months();
  search->log_start = index.log_start();
  search->end = std::min(request->before, visible_end);
  search->below = std::min(search->end, index.chunked_end());
  search->ctx = ctx;
  search->request = std::move(request);
  const auto& open = index.open_chunk();
  if (search->end > index.chunked_end() && search->may_match(open.so_far(), index.chunked_end())) {
    const auto* month = index.month_of(index.chunked_end());
    HR_CHECK(month != nullptr);
    search->chunks.push_back(
        {open.so_far(), index.chunked_end(), index.log_place(month->row.month)});
  }
  go_on(std::move(search));
}

}  // namespace headrace::core

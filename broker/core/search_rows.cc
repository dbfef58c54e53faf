// Which batches a search looks into: by look-up rows, or by chunk rows where there are none.
#include <algorithm>

#include "broker/core/search_walk.h"

namespace headrace::core {

bool SearchWalk::wants(Offset first, Offset to) const {
  if (request->only == nullptr) return true;
  const auto at = std::lower_bound(request->only->begin(), request->only->end(), first);
  return at != request->only->end() && *at < to;
}

void SearchWalk::skip_unwanted() {
  if (request->only == nullptr) return;
  const auto after = std::lower_bound(request->only->begin(), request->only->end(), below);
  below = after == request->only->begin() ? log_start : std::min(below, *std::prev(after) + 1);
  below = std::max(below, log_start);
}

void SearchWalk::choose(const storage::ContentsRow& row, Offset base, const storage::Place& place,
                        std::vector<Batch>* to) const {
  const std::string types = query().may_match(row);
  for (size_t i = 0; i < row.batches.size(); ++i) {
    const auto& batch = row.batches[i];
    const Offset first = base + batch.offset_delta;
    const int64_t appended_us = row.first_append_us + batch.append_delta_us;
    if (first >= end || !storage::has_bit(types, i)) continue;
    if (appended_us < query().from_us || appended_us >= query().to_us) continue;
    if (!wants(first, first + batch.record_count)) continue;
    to->push_back({place, first, size_t{batch.size_kib} << 10});
  }
}

void SearchWalk::choose(const storage::ChunkRow& row, Offset base, const storage::Place& place) {
  if (base >= end || !query().may_match(row)) return;
  for (auto batch = row.batches.rbegin(); batch != row.batches.rend(); ++batch) {
    const Offset first = base + batch->offset_delta;
    if (first >= end || !wants(first, first + batch->record_count)) continue;
    batches.push_back({place, first, batch->size});
  }
}

void SearchWalk::fail(storage::Status status) {
  request->error = Error(from_store(status), "searching " + request->topic->name);
  ctx->reply(std::move(request));
}

namespace {

// ---- by look-up rows

// The rows of one or more segments of a month: the buckets that are asked for are read at the same
// time, then looked through by a worker. Owns itself.
struct SegmentLook final : storage::Work {
  struct Bucket final : storage::Scan {
    void run() override { look->on_read(); }
    SegmentLook* look = nullptr;
    uint8_t bucket = 0;
    uint16_t rest = 0;  // of the entry
  };

  // Of chunks in [from, to), which lie in one segment.
  void add(uint8_t bucket, uint16_t rest, Offset from, Offset to) {
    auto scan = std::make_unique<Bucket>();
    scan->look = this;
    scan->bucket = bucket;
    scan->rest = rest;
    scan->place = place;
    scan->from = storage::lookup_key(search->partition, bucket, from);
    // Not a key of `to`: that may lie in the next segment.
    scan->to =
        storage::lookup_prefix(search->partition, from.value() >> storage::kLookupSegmentBits)
            .append(bucket)
            .append(to);
    scan->reverse = true;
    scan->max_rows = search->rows_per_scan;
    scan->max_bytes = limits::kSearchLookupBytesPerScan;
    scan->sink = search->ctx->sink();
    scans.push_back(std::move(scan));
  }

  void begin() {
    sink = search->ctx->sink();
    tenant = search->partition.tenant;
    open = scans.size();
    for (const auto& scan : scans) search->ctx->store().scan(scan.get());
  }

  void on_read() {
    if (--open > 0) return;
    for (const auto& scan : scans) {
      // A month that was dropped meanwhile holds nothing.
      if (scan->status != storage::Status::ok && scan->status != storage::Status::gone) {
        const std::unique_ptr<SegmentLook> self(this);
        return search->fail(scan->status);
      }
      search->pay_rows(scan->rows.size() + 1);
      if (!scan->more) continue;
      // What is below was not read of this bucket, so it is nothing yet in the others either.
      const auto last = storage::parse_lookup_key(scan->rows.back().key.view());
      if (last) low = std::max(low, last->chunk_base);
    }
    search->ctx->store().work(this);
  }

  void execute() noexcept override {
    std::vector<SearchWalk::Batch> found;
    for (const auto& scan : scans) {
      if (take(*scan, &found)) continue;
      status = storage::Status::corrupt;
      return;
    }
    const auto newer = [](const auto& a, const auto& b) { return a.first > b.first; };
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    std::sort(found.begin(), found.end(), newer);
    found.erase(std::unique(found.begin(), found.end(), same), found.end());
    search->batches.assign(found.begin(), found.end());
  }

  // False: a row is damaged.
  bool take(const Bucket& scan, std::vector<SearchWalk::Batch>* found) {
    for (const auto& row : scan.rows) {
      const auto key = storage::parse_lookup_key(row.key.view());
      if (!key) return false;
      const Offset base = key->chunk_base;
      if (base < low) return true;
      const auto last_append_us = scan.bucket == storage::kContentsBucket
                                      ? take_contents(row.value.view(), base, found)
                                      : take_hits(row.value.view(), base, scan.rest, found);
      if (!last_append_us) return false;
      if (*last_append_us >= search->query().from_us) continue;
      too_old = true;
      return true;
    }
    return true;
  }

  std::optional<int64_t> take_contents(std::string_view row, Offset base,
                                       std::vector<SearchWalk::Batch>* found) const {
    const auto contents = storage::ContentsRow::decode(row);
    if (!contents) return std::nullopt;
    search->choose(*contents, base, place, found);
    return contents->last_append_us();
  }

  std::optional<int64_t> take_hits(std::string_view row, Offset base, uint16_t rest,
                                   std::vector<SearchWalk::Batch>* found) const {
    const auto hits = storage::LookupHits::decode(row, rest);
    if (!hits) return std::nullopt;
    const EventQuery& query = search->query();
    if (hits->last_append_us < query.from_us || hits->first_append_us >= query.to_us) {
      return hits->last_append_us;
    }
    for (const storage::LookupHit& hit : hits->batches) {
      const Offset first = base + hit.offset_delta;
      if (first < search->end) found->push_back({place, first, size_t{hit.size_kib} << 10});
    }
    return hits->last_append_us;
  }

  void run() override {
    const std::unique_ptr<SegmentLook> self(this);
    if (status != storage::Status::ok) return search->fail(status);
    search->below = too_old ? search->log_start : low;  // append times do not go back
    go_on(std::move(search));
  }

  SearchPtr search;
  storage::Place place;
  Offset low;  // chunks that begin here or above are looked at
  bool too_old = false;
  std::vector<std::unique_ptr<Bucket>> scans;
  size_t open = 0;
};

void look_in_segments(SearchPtr search, const LogIndex::MonthSpan& month) {
  auto* look = new SegmentLook;
  look->place = {storage::Table::log, month.row.month, search->partition.tenant};
  look->low = search->below;
  look->search = std::move(search);
  SearchWalk& of = *look->search;
  const Offset lowest = std::max(month.first_offset, of.lookups_from);
  for (size_t i = 0; i < of.segments_per_look && look->low > lowest; ++i) {
    const Offset to = look->low;
    const int64_t segment = (to.value() - 1) >> storage::kLookupSegmentBits;
    look->low = std::max(lowest, Offset(segment << storage::kLookupSegmentBits));
    look->add(of.entries.empty() ? storage::kContentsBucket : storage::kUnseenBucket, 0, look->low,
              to);
    for (const uint64_t entry : of.entries) {
      const storage::Fingerprint print(entry);
      look->add(print.bucket, print.rest, look->low, to);
    }
  }
  of.rows_per_scan = std::min(4 * of.rows_per_scan, limits::kSearchLookupRowsPerScan);
  of.segments_per_look = std::min(2 * of.segments_per_look, limits::kSearchSegmentsPerLook);
  look->begin();
}

// ---- by chunk rows

struct DecodeRows final : storage::Work {
  void execute() noexcept override {
    for (const auto& found : rows) {
      const auto key = storage::parse_log_key(found.key.view());
      const auto row = storage::ChunkRow::decode(found.value.view());
      if (!key || !row) {
        status = storage::Status::corrupt;
        return;
      }
      search->below = key->base_offset;
      if (row->last_append_us < search->query().from_us) {
        search->below = search->log_start;  // append times do not go back
        return;
      }
      search->choose(*row, key->base_offset, place);
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
    // They are long: 16 KiB with many ids.
    search->pay_rows(rows.size() * (limits::kSearchLookupRows / limits::kSearchRows));
    if (rows.empty()) {  // trimmed away: what is left is in the months after it
      search->below = month_first;
      return go_on(std::move(search));
    }
    auto* decode = new DecodeRows;
    decode->sink = search->ctx->sink();
    decode->tenant = search->partition.tenant;
    decode->place = place;
    decode->rows = std::move(rows);
    decode->search = std::move(search);
    decode->search->ctx->store().work(decode);
  }
  SearchPtr search;
  Offset month_first;
};

void look_at_chunks(SearchPtr search, const LogIndex::MonthSpan& month) {
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

}  // namespace

void look_for_batches(SearchPtr search) {
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
  if (search->below > search->lookups_from) return look_in_segments(std::move(search), month);
  look_at_chunks(std::move(search), month);
}

}  // namespace headrace::core

#include "broker/core/time_lookup.h"

#include <algorithm>
#include <optional>

namespace headrace::core {
namespace {

struct Hit {
  Offset offset;
  int64_t append_time_us;
};

// The first batch of a chunk that was appended at or after `time_us`.
std::optional<Hit> first_at(const storage::ChunkRow& row, Offset base, int64_t time_us) {
  for (const auto& batch : row.batches) {
    const int64_t appended_us = row.first_append_us + batch.append_delta_us;
    if (appended_us >= time_us) return Hit{base + batch.offset_delta, appended_us};
  }
  return std::nullopt;
}

void answer(std::unique_ptr<ListOffsets> request, std::optional<Hit> hit, Offset visible_end,
            Offset log_start, Ctx* ctx) {
  request->offset = visible_end;
  if (hit && hit->offset < visible_end) {
    request->offset = std::max(hit->offset, log_start);
    request->append_time_us = hit->append_time_us;
  }
  ctx->reply(std::move(request));
}

// Invariant: chunks that end at or below `low` were appended before the time; `best` is the
// earliest hit so far and begins at or above `high`.
struct TimeSearch final : storage::Scan {
  void step() {
    if (low >= high) {
      auto self = std::unique_ptr<TimeSearch>(this);
      return answer(std::move(request), best, visible_end, log_start, ctx);
    }
    const Offset middle = low + (high - low) / 2;
    from = storage::log_key(storage::LogKind::chunk, partition, month_first);
    to = storage::log_key(storage::LogKind::chunk, partition, middle + 1);
    rows.clear();
    ctx->store().scan(this);
  }
  void run() override {
    if (status != storage::Status::ok) {
      auto self = std::unique_ptr<TimeSearch>(this);
      request->error = Error(from_store(status), "looking up a time in " + request->topic->name);
      return ctx->reply(std::move(request));
    }
    const Offset middle = low + (high - low) / 2;
    if (rows.empty()) {
      low = middle + 1;  // trimmed away: what is left begins later
      return step();
    }
    const auto key = storage::parse_log_key(rows.front().key.view());
    const auto row = storage::ChunkRow::decode(rows.front().value.view());
    if (!key || !row) {
      status = storage::Status::corrupt;
      return run();
    }
    if (row->last_append_us < time_us) {
      low = std::max(middle + 1, key->base_offset + row->last_offset_delta + 1);
    } else {
      if (auto hit = first_at(*row, key->base_offset, time_us)) best = hit;
      high = key->base_offset;
    }
    step();
  }

  std::unique_ptr<ListOffsets> request;
  PartitionKey partition;
  Offset month_first;
  Offset low;
  Offset high;
  int64_t time_us = 0;
  std::optional<Hit> best;
  Offset visible_end;
  Offset log_start;
  Ctx* ctx = nullptr;
};

}  // namespace

void TimeLookup::begin(std::unique_ptr<ListOffsets> request, const LogIndex& index,
                       Offset visible_end, Ctx* ctx) {
  const int64_t time_us = std::get<AppendedAt>(request->at).value();
  const auto& months = index.months();
  auto span = std::find_if(months.begin(), months.end(), [&](const LogIndex::MonthSpan& month) {
    return month.row.last_append_us >= time_us;
  });
  if (span == months.end()) {
    return answer(std::move(request), std::nullopt, visible_end, index.log_start(), ctx);
  }
  const bool newest = std::next(span) == months.end();
  std::optional<Hit> best;
  if (newest) {
    const auto& open = index.open_chunk();
    if (!open.empty()) best = first_at(open.so_far(), open.base_offset(), time_us);
  } else {
    best = Hit{std::next(span)->first_offset, std::next(span)->row.first_append_us};
  }
  const Offset end = newest ? index.chunked_end() : std::next(span)->first_offset;
  const auto& closing = index.closing();
  for (auto chunk = closing.rbegin(); chunk != closing.rend(); ++chunk) {
    if (chunk->base >= end) continue;
    if (auto hit = first_at(chunk->row, chunk->base, time_us)) best = hit;
  }
  auto* search = new TimeSearch;
  search->place = index.log_place(span->row.month);
  search->reverse = true;
  search->max_rows = 1;
  search->sink = ctx->sink();
  search->partition = index.partition();
  search->month_first = span->first_offset;
  search->low = std::max(span->first_offset, index.log_start());
  search->high = std::min(end, index.stored_end());
  search->time_us = time_us;
  search->best = best;
  search->visible_end = visible_end;
  search->log_start = index.log_start();
  search->ctx = ctx;
  search->request = std::move(request);
  search->step();
}

}  // namespace headrace::core

// Where the events of one partition are: its months, its open chunk, where it begins and where the
// next event goes. Writes the rows that say so into the WriteSet of the append.
//
// Lives on: owner shard, inside its Partition; filled by PartitionLoad.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/api.h"
#include "storage/chunk.h"
#include "storage/lookup_rows.h"
#include "storage/month.h"
#include "storage/write_set.h"

namespace headrace::core {

class LogIndex {
 public:
  struct MonthSpan {
    Offset first_offset;
    storage::MonthRow row;
  };
  // Its row is in a set that is not committed: the store knows nothing of it yet.
  struct ClosingChunk {
    Offset base;
    Month month;
    storage::ChunkRow row;
    uint64_t sequence;  // of the set

    Offset end() const { return base + row.last_offset_delta + 1; }
  };

  explicit LogIndex(const PartitionKey& partition) : partition_(partition) {}

  const PartitionKey& partition() const { return partition_; }
  Offset log_start() const { return log_start_; }
  Offset next_offset() const { return next_offset_; }
  int64_t last_append_us() const { return months_.empty() ? 0 : months_.back().row.last_append_us; }
  const std::vector<MonthSpan>& months() const { return months_; }
  // The month whose span holds `offset`; nullptr if no month does.
  const MonthSpan* month_of(Offset offset) const;
  const storage::ChunkBuilder& open_chunk() const { return chunk_; }
  // Closed chunks end here; below stored_end() the store has their rows. What lies between is read
  // by closing(), oldest first, what follows by the open chunk: its events may have been visible
  // long.
  Offset chunked_end() const { return chunk_.empty() ? next_offset_ : chunk_.base_offset(); }
  Offset stored_end() const { return closing_.empty() ? chunked_end() : closing_.front().base; }
  const std::vector<ClosingChunk>& closing() const { return closing_; }
  // Of the open chunk; and from which offset on closed chunks have look-up rows: older data has
  // none.
  const storage::LookupBuilder& open_lookups() const { return lookups_; }
  Offset lookups_from() const {
    return lookups_end_ == chunked_end() ? lookups_from_ : chunked_end();
  }

  storage::Place log_place(Month month) const {
    return {storage::Table::log, month, partition_.tenant};
  }

  // Counts one batch and adds its rows: the batch itself, and what it closes or begins. The batch
  // has its base offset already (next_offset()); append times never go back.
  void append(SharedBytes batch, const storage::BatchHeader& header,
              const storage::Summary& summary, const storage::Violations& violations,
              int64_t append_time_us, Month month, storage::WriteSet* writes);

  void on_committed(uint64_t sequence);  // the store has what the sets up to this one held

  // Loading, in this order.
  void load_month(Offset first_offset, const storage::MonthRow& row);
  bool load_log_start(std::string_view row);    // false: does not parse
  bool load_lookup_span(std::string_view row);  // likewise
  void load_batch(const storage::BatchHeader& header, const storage::Summary& summary,
                  int64_t append_time_us);

  // Retention: everything below `to` goes; `bytes` of it lie in the month that holds `to`. The
  // months of which nothing is left now.
  std::vector<MonthSpan> trim(Offset to, int64_t bytes_in_month, storage::WriteSet* writes);

  // Everything goes, the newest month as well; the next event begins its month anew.
  std::vector<MonthSpan> trim_all(storage::WriteSet* writes);

  // An import (month_import.h). Nothing was ever here: the log begins, and ends, at `offset`.
  void start_at(Offset offset, storage::WriteSet* writes = nullptr);
  // Its last chunk has its row, however small it is.
  void close(storage::WriteSet* writes) { close_chunk(writes); }
  // `front` has one month, which ends where this log begins: the rows that make it part of the log;
  // and the same in memory, once they are durable.
  void put_front(const LogIndex& front, storage::WriteSet* writes) const;
  void take_front(const LogIndex& front);

  int64_t total_bytes() const;

 private:
  void close_chunk(storage::WriteSet* writes);
  void put_lookups(storage::WriteSet* writes);
  void remove_lookups(const storage::Place& place, Offset from, Offset to, bool to_the_last,
                      storage::WriteSet* writes) const;
  void put_month(const MonthSpan& span, storage::WriteSet* writes) const;
  std::pair<Offset, Offset> lookups_with(const LogIndex& front) const;
  void count(const storage::BatchHeader& header, const storage::Summary& summary,
             int64_t append_time_us);

  const PartitionKey partition_;
  std::vector<MonthSpan> months_;  // by first offset; the last one is being written
  storage::ChunkBuilder chunk_;
  std::vector<ClosingChunk> closing_;  // of the sets in flight
  storage::LookupBuilder lookups_;     // of the same batches
  Offset lookups_from_;                // closed chunks with look-up rows: [from, end)
  Offset lookups_end_;
  Offset log_start_;
  int64_t trimmed_bytes_ = 0;  // of the first month: gone, but still in its row's count
  Offset next_offset_;
};

}  // namespace headrace::core

// One job of an acked group: its row, its cursors while it is open, and where its scan is.
//
// Lives on: owner shard, inside the group's Jobs. Counts that follow from positions and parked
// events are not in the row while the job is open: after a crash they are what they were.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "broker/core/api_jobs.h"
#include "broker/core/cursor.h"
#include "broker/core/filter.h"
#include "broker/core/letter_row.h"
#include "broker/core/rate_limit.h"

namespace headrace::core {

class Job {
 public:
  Job(JobRecord job_record, AckedGroup* group, Ctx* ctx);

  bool has_log() const { return record.kind == JobKind::replay; }
  const FilterPtr& filter() const { return filter_; }
  const LetterFilter& letter_filter() const { return letter_filter_; }
  bool wants_everything() const { return record.filters.empty() && record.conditions.empty(); }
  RateLimit& rate() { return rate_; }

  // Makes the cursors, from their rows; a missing row is the start of the range.
  using Rows = std::map<std::pair<LaneId, PartitionId>, storage::SettledRow>;
  void open(const Rows& rows);
  Cursor* cursor(PartitionId partition) const;
  // Of a replay: how much of the range was read, and how much of it is over.
  int64_t range_events() const;
  int64_t read_events() const;
  int64_t settled_events() const;
  // Given out or parked, and without an end.
  int64_t outstanding() const;
  bool finished() const;
  JobStats stats(int64_t now_us) const;
  void write_rows();
  // It ends: counts are final, positions are removed.
  void end(JobState state);

  JobRecord record;
  std::vector<std::unique_ptr<Cursor>> cursors;  // of an open job that has begun
  bool dirty = false;
  uint64_t waits_for = 0;  // a set: nothing of the job is acted on before it is durable
  // Where the letters of a redrive, or the parked rows of a cancelled one, are being read. A scan
  // begins again with every load: what it did is marked.
  bool stepping = false;
  uint32_t step = 0;  // which one; earlier ones come too late
  bool scanned_all = false;
  uint64_t next_letter = 1;
  size_t next_listed = 0;                          // of record.letters
  std::set<std::pair<PartitionId, Offset>> taken;  // an event is redriven once by one job
  double next_due_us = 0;
  uint32_t unwind_partition = 0;
  std::optional<storage::Key> unwind_from;
  size_t next_cursor = 0;
  // For the ETA: since when it has been running, and how far it was then.
  int64_t running_since_us = 0;
  int64_t settled_before = 0;

 private:
  AckedGroup* const group_;
  Ctx* const ctx_;
  FilterPtr filter_;
  LetterFilter letter_filter_;
  RateLimit rate_;
};

}  // namespace headrace::core

// A search through the history on its way: what is asked, how far it got, and the batches that are
// to be looked into. Travels from stage to stage, owned by whichever is on its way.
//
// Lives on: the shard's reactor, or the worker that looks through what was read.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "broker/core/api_history.h"
#include "broker/core/ctx.h"
#include "broker/core/log_index.h"
#include "broker/limits.h"

namespace headrace::core {

struct SearchWalk {
  struct Batch {
    storage::Place place;
    Offset first;
    size_t bytes = 0;  // about
  };

  std::unique_ptr<FindEvents> request;
  PartitionKey partition;
  std::vector<LogIndex::MonthSpan> months;
  Offset log_start;
  Offset lookups_from;  // closed chunks from here on have look-up rows
  Offset end;           // of what is searched; events at or above it are not looked at
  Offset below;      // chunks that begin at or above it have been looked at, or wait in `batches`
  Offset looked_to;  // the batch that was looked into last
  std::vector<uint64_t> entries;  // a batch that has none of them has nothing; empty: not known
  std::deque<Batch> batches;      // something may match in them; newest first
  size_t rows_left = limits::kSearchLookupRows;
  size_t bytes_left = limits::kSearchBytes;
  size_t rows_per_scan = 16;     // grows: few are enough for most pages
  size_t segments_per_look = 1;  // likewise
  size_t batches_per_read = 2;   // likewise
  Ctx* ctx = nullptr;

  const EventQuery& query() const { return *request->query; }
  // One of the offsets in [first, to) was asked for, if not all were.
  bool wants(Offset first, Offset to) const;
  // Nothing is looked for between the last offset that is wanted and `below`.
  void skip_unwanted();
  bool page_full() const { return request->events.size() >= request->page_size; }
  void pay_rows(size_t rows) { rows_left -= std::min(rows_left, rows); }
  // The batches of a chunk in which something may match, into `to`, oldest first.
  void choose(const storage::ContentsRow& row, Offset base, const storage::Place& place,
              std::vector<Batch>* to) const;
  // Likewise by a chunk row, behind what is in `batches`, newest first.
  void choose(const storage::ChunkRow& row, Offset base, const storage::Place& place);
  void fail(storage::Status status);
};
using SearchPtr = std::unique_ptr<SearchWalk>;

// Answers, reads the next batches, or looks for further ones.
void go_on(SearchPtr search);
// Adds batches of one or more closed chunks below `below`, which moves down; then go_on().
void look_for_batches(SearchPtr search);

}  // namespace headrace::core

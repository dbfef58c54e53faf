// The ids of the events that one partition appended lately, for topics that ask for it: an event
// whose id is among them is not appended again, but answered with the coordinates of the first one.
// Kept for the topic's window of append time, at most max_ids; then the oldest are forgotten. Rows
// are written in the set of the append and loaded back.
//
// Lives on: owner shard, inside its Partition.
#pragma once

#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/core/catalog.h"
#include "broker/core/error.h"
#include "storage/types.h"
#include "storage/write_set.h"

namespace headrace::core {

// The id of one event of a publish; its place counts from the publish's first event.
struct EventId {
  IdHash hash;
  uint32_t place = 0;
  std::string_view text;  // for the error
};

class EventIds {
 public:
  struct Original {
    Offset offset;
    int64_t append_time_us = 0;
    Epoch epoch;
    uint64_t write_sequence = 0;  // the set it is in, 0: long committed
  };

  EventIds(const PartitionKey& partition, const Dedup& options);

  bool on() const { return options_.window_us > 0; }

  // Where loading begins, and one row of it; false if it does not parse.
  storage::Key load_from(int64_t now_us) const;
  bool load(std::string_view key, std::string_view row);

  // nullptr: not known. Forgets what is older than the window first.
  const Original* find(const IdHash& id, int64_t append_time_us);

  // All of one publish that is kept or left as a whole. Repeated: every event is known, one behind
  // the other, so that the answer is the first one's offset. Anything between is refused: offsets
  // cannot be left out of it.
  struct Verdict {
    enum class Kind : uint8_t { fresh, repeated, refused } kind = Kind::fresh;
    Original first;  // repeated; with the write_sequence of the newest
    Error error;     // refused
  };
  Verdict check(const std::vector<EventId>& ids, size_t events, int64_t append_time_us);

  // Known from now on; its row is written by write().
  void add(const IdHash& id, const Original& original);
  // The batch that begins at `base` is in this set: with it the ids that were added since the last.
  void write(Offset base, int64_t append_time_us, storage::WriteSet* writes);
  // Removes rows older than the window, by range, now and then.
  void expire(int64_t now_us, storage::WriteSet* writes);
  bool anything_to_expire(int64_t now_us) const;

  size_t size() const { return known_.size(); }

 private:
  void forget(int64_t append_time_us);

  const PartitionKey partition_;
  const Dedup options_;
  std::unordered_map<IdHash, Original> known_;
  std::deque<std::pair<int64_t, IdHash>> by_time_;  // append time, oldest first
  std::vector<std::pair<IdHash, Original>> unwritten_;
  int64_t oldest_row_us_ = -1;  // append time; -1: no rows
};

}  // namespace headrace::core

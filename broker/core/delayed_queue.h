// The events of one partition that are not due yet. Their rows are in the family delayed; the first
// ones (kDelayedHeads, kDelayedHeadBytes) are in memory, the rest is read on from the last key
// known, never from the front: popping the front of an LSM leaves tombstones that every seek walks.
// Each row is written once and removed once, in different sets.
//
// Lives on: owner shard, inside its Partition.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "broker/core/ctx.h"
#include "broker/core/delayed_event.h"

namespace headrace::core {

class DelayedQueue {
 public:
  struct Entry {
    DelayedOrder order;
    SharedBytes event;  // a batch of one event
    std::string violation;
    IdHash id;
    size_t row_bytes = 0;
    uint64_t written_sequence = 0;
  };

  // `changed` runs when a read has brought more entries.
  DelayedQueue(const PartitionKey& partition, Ctx* ctx, std::function<void()> changed);
  ~DelayedQueue();

  void load_totals(std::string_view row);  // of its totals row, if there is one
  void begin() { refill(); }               // loaded: the first entries are read
  void on_committed() { refill(); }

  // limit_reached if so much more does not fit.
  Error room_for(size_t events, size_t bytes) const;
  struct Accepted {
    uint64_t sequence = 0;
    std::string id;  // its own, or the one it was given
  };
  // Writes its rows with this turn's set. Room is the caller's to check. `violation`: why handlers
  // will not get it; empty: they will.
  Accepted put(int64_t due_us, const storage::EventFields& event, std::string_view violation,
               Committable* who);
  // The entries that are due and durable, first ones first, at most so many; their rows are removed
  // with this turn's set.
  std::vector<Entry> take_due(int64_t now_us, size_t max_events, size_t max_bytes,
                              Committable* who);
  // False if it was taken or cancelled before. It was found by a scan that began after begin_read.
  bool cancel(const DelayedOrder& order, const IdHash& id, size_t row_bytes, Committable* who);
  // Wall clock; INT64_MAX: nothing waits in memory, or what waits is not durable yet.
  int64_t next_due_us() const;
  int64_t count() const { return count_; }
  int64_t bytes() const { return bytes_; }

  // While somebody reads rows, removed ones are remembered. Returns what to give to end_read.
  uint64_t begin_read();
  void end_read(uint64_t mark);

 private:
  struct Refill;

  storage::Place place() const;
  void insert(Entry entry);
  void drop_last_head();
  void trim();
  void remove(const DelayedOrder& order, const IdHash& id, size_t row_bytes, Committable* who);
  void write_totals(Committable* who);
  void forget_removed();
  void refill();
  void on_refilled(Refill& read);

  const PartitionKey partition_;
  Ctx* const ctx_;
  const std::function<void()> changed_;
  std::map<DelayedOrder, Entry> heads_;
  size_t head_bytes_ = 0;
  int64_t count_ = 0;
  int64_t bytes_ = 0;
  uint64_t next_count_ = 0;  // of the sequence numbers of this epoch
  // Rows that a read may still see, with the set that removed them, oldest first.
  std::deque<std::pair<uint64_t, DelayedOrder>> removals_;
  std::set<DelayedOrder> removed_;
  std::multiset<uint64_t> reads_;  // committed sequence at the beginning of each
  DelayedOrder known_to_;          // rows above this may exist that are not in memory
  bool more_ = false;
  bool reading_ = false;
  uint64_t left_out_sequence_ = 0;  // newest set with an entry that only the disk has
  std::shared_ptr<DelayedQueue*> alive_;
};

}  // namespace headrace::core

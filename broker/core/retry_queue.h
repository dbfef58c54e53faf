// The parked events of one cursor, by due time. The rows are in the family retry; the first
// kRetryHeads of them are in memory, the rest is read again from the last key known, never from the
// front: popping the front of an LSM leaves tombstones that every seek would walk.
//
// Lives on: owner shard, inside its cursor. An entry is handed out once its set is durable.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "broker/core/ctx.h"
#include "broker/core/retry_entry.h"

namespace headrace::core {

class RetryQueue {
 public:
  enum class Rows : uint8_t { parked, blocked };  // with a due time (or behind a key), or due never

  // `changed` runs when a read has brought more entries.
  RetryQueue(const PartitionKey& partition, GroupId group, LaneId lane, Rows rows, Ctx* ctx,
             std::function<void()> changed);
  ~RetryQueue();

  // Writes the row with this turn's set. One that is due behind its key is only counted here.
  RetryEntryPtr put(RetryEntry entry, Committable* who);
  // Removes its row with this turn's set; it has been taken or is still queued.
  void remove(const RetryEntry& entry, Committable* who);

  // The first entry that is due and durable; nullptr if there is none now. It leaves the queue, its
  // row stays until remove().
  RetryEntryPtr take_due(int64_t now_us);
  // A taken entry comes back: its delivery was given up without an outcome.
  void give_back(RetryEntryPtr entry);
  // Wall clock; INT64_MAX: nothing waits in memory, or what waits is not durable yet.
  int64_t next_due_us() const;

  // Takes an entry that somebody else read from the rows; false if it is in flight, or was removed
  // since. While others read, pauses_forgetting() keeps what was removed known.
  bool claim(const RetryEntryPtr& entry);
  void pause_forgetting(bool pause) { others_reading_ += pause ? 1 : -1; }
  // The lowest offset of the rows that no read can see yet; Offset(INT64_MAX): none.
  Offset oldest_unwritten() const;

  // The entry of `offset`, if memory has it; nullptr: not, see unread_from().
  RetryEntryPtr find(Offset offset) const;
  template <class Visit>  // of those that memory has
  void each(Visit&& visit) const {
    for (const auto* entries : {&heads_, &taken_}) {
      for (const auto& [order, entry] : *entries) visit(*entry);
    }
  }
  // Rows from here on may be on disk alone; nullopt: memory has all.
  std::optional<storage::Key> unread_from() const;

  uint64_t count() const { return count_; }  // rows, taken ones included
  size_t taken() const { return taken_.size(); }
  void set_count(uint64_t count);  // as loaded with the cursor's row

 private:
  using Order = std::tuple<int64_t, Offset, uint32_t>;  // due, offset, attempt: as the keys
  struct Refill;

  static Order order_of(const RetryEntry& entry) {
    return {entry.due_us, entry.offset, entry.attempt};
  }
  storage::Key key_of(const RetryEntry& entry) const;
  storage::Key key_of(const Order& order) const;
  storage::Place place() const;
  storage::Key end_of_rows() const;
  void insert(RetryEntryPtr entry);
  void trim();
  void forget_removed();
  void refill();
  void on_refilled(Refill& refill);

  const PartitionKey partition_;
  const GroupId group_;
  const LaneId lane_;
  const Rows rows_;
  Ctx* const ctx_;
  const std::function<void()> changed_;
  std::map<Order, RetryEntryPtr> heads_;
  std::map<Order, RetryEntryPtr> taken_;  // handed out, rows still there
  std::map<Order, uint64_t> removed_;     // rows that a read may still see, and until which set
  uint64_t count_ = 0;
  // Rows above this may exist that are not in memory.
  Order known_to_{-1, Offset(0), 0};
  bool more_ = false;
  uint64_t left_out_sequence_ = 0;  // newest set with an entry that only the disk has
  std::shared_ptr<RetryQueue*> alive_;
  bool reading_ = false;
  int others_reading_ = 0;
  std::deque<std::pair<uint64_t, Offset>> unwritten_;  // sets on their way → lowest offset put
};

}  // namespace headrace::core

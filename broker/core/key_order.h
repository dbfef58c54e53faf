// Which events of one cursor may be out under `ordering = key`: of each key the one that came first
// and is not over, its head. The others of the key wait: in memory, unsettled, as long as the head
// is only in flight; once it is parked for another attempt they become rows of the family retry
// that are due never, so that they neither fill the window nor hold the floor. Pure.
//
// Keys are known by their hash: two keys with the same one wait for each other, nothing worse.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/core/retry_entry.h"

namespace headrace::core {

// As in the blooms of chunks; it is in rows. 0: no key, no order.
uint64_t key_hash(std::string_view key);

class KeyOrder {
 public:
  struct Waiter {
    Offset offset;
    RetryEntryPtr row;  // nullptr: in memory only
  };
  enum class Arrival : uint8_t { goes, waits, waits_in_row };

  // The next event of the log. waits_in_row: the caller writes the row and tells with wait().
  Arrival arrive(Offset offset, uint64_t key);
  void wait(Offset offset, uint64_t key, RetryEntryPtr row);

  // The hash of a head's key; 0: it is none.
  uint64_t key_of(Offset head) const;
  // The head waits for another attempt: those behind it that shall become rows, in order; the
  // caller tells each with wait().
  std::vector<Offset> park(Offset head);
  // The head is over: the next of its key is the head now, and may go. False: there is none.
  bool finish(Offset head, Waiter* next);
  // An event that waits is over without having been a head.
  void drop(Offset offset, uint64_t key);
  // Of those that wait in memory, all below `end`, ascending; they are over.
  std::vector<Offset> drop_below(Offset end);

  // What the rows say when the cursor is loaded, in any order; then once start(), which returns the
  // waiters that are heads now.
  void restore_parked(Offset offset, uint64_t key);
  void restore_waiting(uint64_t key, RetryEntryPtr row);
  std::vector<Waiter> start();

  template <class Visit>  // the offset of each that waits
  void each_waiting(Visit&& visit) const {
    for (const auto& [hash, key] : keys_) {
      for (const auto& [offset, row] : key.waiting) visit(offset);
    }
  }
  int64_t waiting_in_memory() const { return in_memory_; }
  int64_t waiting_in_rows() const { return in_rows_; }

 private:
  struct Key {
    Offset head{-1};
    bool parked = false;
    std::map<Offset, RetryEntryPtr> waiting;
  };

  bool promote(uint64_t hash, Key* key, Waiter* next);
  void count(const RetryEntryPtr& row, int64_t change) {
    (row == nullptr ? in_memory_ : in_rows_) += change;
  }

  std::unordered_map<uint64_t, Key> keys_;
  std::map<Offset, uint64_t> heads_;
  int64_t in_memory_ = 0;
  int64_t in_rows_ = 0;
};

}  // namespace headrace::core

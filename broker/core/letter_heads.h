// The first dead letters of one kind - dead, or redriven - read ahead of need: those that go when
// there is no room. Every such letter below from() is among them. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "broker/limits.h"
#include "storage/types.h"

namespace headrace::core {

// What removing a letter takes.
struct LetterRef {
  uint64_t sequence = 0;
  int64_t bytes = 0;  // of its row
  LaneId lane;
  PartitionId partition;
  Offset offset;
  LaneId redriven_by;  // 0: dead

  bool redriven() const { return redriven_by != LaneId(0); }
};

class LetterHeads {
 public:
  const std::deque<LetterRef>& refs() const { return refs_; }
  uint64_t from() const { return from_; }  // sequence; where the next read begins

  uint64_t found_none_at = UINT64_MAX;  // committed sequence of a read that found nothing

  bool reading() const { return reading_; }
  void begin_read(uint64_t first) {
    from_ = std::max(from_, first);
    reading_ = true;
  }
  // What the read brought, in order; then where it ended: letters below `from` are known.
  void read(const LetterRef& ref) { refs_.push_back(ref); }
  void end_read(uint64_t from) {
    from_ = std::max(from_, from);
    reading_ = false;
    trim();
  }

  // A letter has become one of this kind, or is none any more.
  void add(const LetterRef& ref) {
    if (ref.sequence >= from_) return;  // the next read meets it
    const auto at = std::lower_bound(
        refs_.begin(), refs_.end(), ref,
        [](const LetterRef& a, const LetterRef& b) { return a.sequence < b.sequence; });
    refs_.insert(at, ref);
    trim();
  }
  void forget(uint64_t sequence) {
    std::erase_if(refs_, [&](const LetterRef& ref) { return ref.sequence == sequence; });
  }

 private:
  // A read under way has begun at from_.
  void trim() {
    for (; !reading_ && refs_.size() > 2 * limits::kLettersPerPage; refs_.pop_back()) {
      from_ = refs_.back().sequence;
    }
  }

  std::deque<LetterRef> refs_;  // ascending
  uint64_t from_ = 1;
  bool reading_ = false;
};

}  // namespace headrace::core

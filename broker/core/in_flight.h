// What the members of a group hold of one partition: ranges of offsets with the same fate, cut
// apart when an outcome concerns a part of one. Pure; bounded by its user (max_in_flight).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/core/retry_entry.h"
#include "broker/core/type_rollup.h"
#include "metrics/check.h"
#include "storage/types.h"

namespace headrace::core {

// Deliveries of consecutive offsets to one member.
struct HeldRange {
  Offset last;  // inclusive
  uint32_t attempt = 1;
  uint32_t releases = 0;  // how often given back without an outcome
  uint64_t member = 0;
  int64_t deadline_mono_us = 0;
  int64_t started_mono_us = 0;
  int64_t started_wall_us = 0;
  RetryEntryPtr retry;  // the row it was taken from; then the range is one offset
  BatchTypesPtr types;  // of its events

  int64_t events(Offset first) const { return last - first + 1; }
};

class InFlight {
 public:
  using Piece = std::pair<Offset, HeldRange>;

  void hold(Offset first, HeldRange range) {
    events_ += range.events(first);
    deadlines_.emplace(range.deadline_mono_us, first);
    const bool added = ranges_.emplace(first, std::move(range)).second;
    HR_CHECK(added && "an event is held once");
  }

  // Takes out what lies within [first, last] and has this attempt number; in order.
  std::vector<Piece> take(Offset first, Offset last, uint32_t attempt) {
    return take_if(first, last, [&](const HeldRange& range) { return range.attempt == attempt; });
  }
  std::vector<Piece> take_member(uint64_t member) {
    return take_if(Offset(0), Offset(INT64_MAX - 1),
                   [&](const HeldRange& range) { return range.member == member; });
  }
  std::vector<Piece> take_all() {
    return take_if(Offset(0), Offset(INT64_MAX - 1), [](const HeldRange&) { return true; });
  }
  std::vector<Piece> take_below(Offset end) {
    return take_if(Offset(0), end + -1, [](const HeldRange&) { return true; });
  }
  // One at a time, so that a flood of them is the caller's to bound.
  std::optional<Piece> take_expired(int64_t now_mono_us) {
    if (deadlines_.empty() || deadlines_.begin()->first > now_mono_us) return std::nullopt;
    auto at = ranges_.find(deadlines_.begin()->second);
    HR_CHECK(at != ranges_.end());
    return remove(at);
  }

  // The range that holds `offset`; nullptr: none.
  const HeldRange* find(Offset offset) const {
    auto after = ranges_.upper_bound(offset);
    if (after == ranges_.begin() || std::prev(after)->second.last < offset) return nullptr;
    return &std::prev(after)->second;
  }
  template <class Visit>  // (first offset, range)
  void each(Visit&& visit) const {
    for (const auto& [first, range] : ranges_) visit(first, range);
  }
  int64_t events() const { return events_; }
  bool empty() const { return ranges_.empty(); }
  int64_t next_deadline_mono_us() const {
    return deadlines_.empty() ? INT64_MAX : deadlines_.begin()->first;
  }

 private:
  using Map = std::map<Offset, HeldRange>;

  Piece remove(Map::iterator at) {
    events_ -= at->second.events(at->first);
    deadlines_.erase({at->second.deadline_mono_us, at->first});
    Piece piece(at->first, std::move(at->second));
    ranges_.erase(at);
    return piece;
  }

  // The range that holds `at - 1` and `at` becomes two.
  void cut(Offset at) {
    auto after = ranges_.lower_bound(at);
    if (after == ranges_.begin()) return;
    auto before = std::prev(after);
    if (before->second.last < at) return;
    HeldRange rest = before->second;
    before->second.last = at + -1;
    deadlines_.emplace(rest.deadline_mono_us, at);
    ranges_.emplace_hint(after, at, std::move(rest));
  }

  template <class Wanted>
  std::vector<Piece> take_if(Offset first, Offset last, Wanted&& wanted) {
    cut(first);
    cut(last + 1);
    std::vector<Piece> taken;
    for (auto at = ranges_.lower_bound(first); at != ranges_.end() && at->first <= last;) {
      auto here = at++;
      if (wanted(here->second)) taken.push_back(remove(here));
    }
    return taken;
  }

  Map ranges_;
  std::set<std::pair<int64_t, Offset>> deadlines_;
  int64_t events_ = 0;
};

}  // namespace headrace::core

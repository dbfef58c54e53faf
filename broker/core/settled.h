// Which offsets of a partition a group is done with: all below the floor, and ranges above it.
// Pure. The floor never goes back; what is added is never taken away.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include "metrics/check.h"
#include "storage/settled_row.h"
#include "storage/types.h"

namespace headrace::core {

class Settled {
 public:
  Settled() = default;
  explicit Settled(Offset floor) : floor_(floor) {}
  explicit Settled(const storage::SettledRow& row) : floor_(row.floor) {
    for (const auto& [first, end] : row.ranges) add(first, end);
  }

  // [first, end); parts of it may be settled already.
  void add(Offset first, Offset end) {
    if (first < floor_) first = floor_;
    if (first >= end) return;
    auto after = ranges_.upper_bound(first);
    if (after != ranges_.begin() && std::prev(after)->second >= first) {
      --after;
      first = after->first;
    }
    while (after != ranges_.end() && after->first <= end) {
      if (after->second > end) end = after->second;
      after = ranges_.erase(after);
    }
    if (first == floor_) {
      floor_ = end;
    } else {
      ranges_.emplace_hint(after, first, end);
    }
  }

  Offset floor() const { return floor_; }
  bool contains(Offset offset) const {
    if (offset < floor_) return true;
    auto after = ranges_.upper_bound(offset);
    return after != ranges_.begin() && std::prev(after)->second > offset;
  }
  // The first offset at or after `from` that is not settled.
  Offset next_open(Offset from) const {
    if (from < floor_) return floor_;
    auto after = ranges_.upper_bound(from);
    if (after != ranges_.begin() && std::prev(after)->second > from)
      return std::prev(after)->second;
    return from;
  }
  // Where the open stretch that holds `from` ends: the first settled offset after it, or `limit`.
  Offset open_until(Offset from, Offset limit) const {
    auto after = ranges_.lower_bound(from);
    return after == ranges_.end() || after->first > limit ? limit : after->first;
  }
  // How many at or above `from`.
  int64_t count_from(Offset from) const {
    int64_t events = 0;
    for (auto at = ranges_.rbegin(); at != ranges_.rend() && at->second > from; ++at) {
      events += at->second - std::max(at->first, from);
    }
    return events;
  }
  size_t range_count() const { return ranges_.size(); }

  storage::SettledRow row(uint64_t parked) const {
    return {floor_, {ranges_.begin(), ranges_.end()}, parked};
  }

 private:
  Offset floor_;
  std::map<Offset, Offset> ranges_;  // first → end; apart from each other and from the floor
};

}  // namespace headrace::core

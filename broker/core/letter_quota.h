// How full the dead letters of a group are: counts against the group's quota, a level with
// hysteresis so that a count that swings around a threshold is told once, and a forecast. Pure.
// Counts are those of the rows; level and rate begin again with every load of the group.
#pragma once

#include <cstdint>

#include "broker/core/api.h"

namespace headrace::core {

class LetterQuota {
 public:
  void limit(uint32_t entries, int64_t bytes);
  void set(int64_t entries, int64_t bytes);  // as loaded
  void add(int64_t bytes, int64_t now_mono_us);
  void remove(int64_t bytes);
  void put_back(int64_t bytes);  // one that was removed: no arrival

  int64_t entries() const { return entries_; }
  int64_t bytes() const { return bytes_; }
  // A letter above the whole quota fits when there is no other: else it would wait for ever.
  bool fits(int64_t bytes) const;
  // No letter fits, however small.
  bool full() const { return entries_ >= most_entries_ || bytes_ >= most_bytes_; }

  // Looks at the counts again: true if the level changed. `blocked`: letters wait for space.
  bool update(bool blocked);
  DlqLevel level() const { return level_; }
  double share() const;  // of the quota that is used, the scarcer of the two; 1: full
  // At the recent rate of arrivals; -1: not at this rate, 0: full.
  double hours_until_full(int64_t now_mono_us) const;

 private:
  DlqLevel level_at(double share) const;
  void decay(int64_t now_mono_us);

  int64_t most_entries_ = 0;
  int64_t most_bytes_ = 0;
  int64_t entries_ = 0;
  int64_t bytes_ = 0;
  DlqLevel level_ = DlqLevel::ok;
  // Arrivals, each counting less the longer ago it was: their sum over the time they stand for is
  // a rate.
  double recent_entries_ = 0;
  double recent_bytes_ = 0;
  int64_t since_mono_us_ = -1;  // of the first arrival
  int64_t last_mono_us_ = 0;    // when the sums were last decayed
};

}  // namespace headrace::core

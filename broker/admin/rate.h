// How fast a counter rises, averaged over about the last ten seconds in which somebody asked; since
// the first observation when nobody did. Pure; one thread (HTTP).
#pragma once

#include <cstdint>
#include <deque>

#include "metrics/time.h"

namespace headrace::admin {

class Rate {
 public:
  // Times must not go back.
  double per_second(int64_t mono_us, uint64_t total) {
    while (seen_.size() > 1 && mono_us - seen_[1].mono_us >= kWindowUs) seen_.pop_front();
    double rate = 0;
    if (!seen_.empty() && mono_us > seen_.front().mono_us) {
      rate = static_cast<double>(total - seen_.front().total) * kMicrosPerSecond /
             static_cast<double>(mono_us - seen_.front().mono_us);
    }
    // Whoever asks more often than once a second moves nothing.
    if (seen_.empty() || mono_us - seen_.back().mono_us >= kMicrosPerSecond) {
      seen_.push_back({mono_us, total});
    }
    return rate;
  }

 private:
  static constexpr int64_t kWindowUs = 10 * kMicrosPerSecond;

  struct Seen {
    int64_t mono_us;
    uint64_t total;
  };
  std::deque<Seen> seen_;
};

}  // namespace headrace::admin

// How a group's handler does: the time from delivery to outcome, and the share of failed attempts,
// recent ones weighing more (half after kHalfLife outcomes). Pure; lives with its group.
#pragma once

#include <cmath>
#include <cstdint>

#include "metrics/histogram.h"

namespace headrace::core {

class HandlerStats {
 public:
  void record(bool failed, int64_t duration_us, int64_t events) {
    const double keep = std::exp2(-static_cast<double>(events) / kHalfLife);
    failure_rate_ = failure_rate_ * keep + (failed ? 1 - keep : 0);
    durations_.record(duration_us, static_cast<uint64_t>(events));
  }
  double failure_rate() const { return failure_rate_; }
  int64_t p50_us() const { return durations_.snapshot().quantile_us(0.5); }
  int64_t p95_us() const { return durations_.snapshot().quantile_us(0.95); }

 private:
  static constexpr double kHalfLife = 50;

  double failure_rate_ = 0;
  metrics::Histogram durations_;
};

}  // namespace headrace::core

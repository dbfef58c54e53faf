// Events a second, for what a timer lets go on: a late timer is made good up to kRateBurstUs, so
// that a rate above the timers' resolution is kept on average. Pure; times are monotonic.
#pragma once

#include <algorithm>
#include <cstdint>

#include "broker/limits.h"
#include "metrics/time.h"

namespace headrace::core {

class RateLimit {
 public:
  explicit RateLimit(double per_second = 0)
      : interval_us_(per_second <= 0 ? 0 : static_cast<double>(kMicrosPerSecond) / per_second) {}

  // How many may go now; INT64_MAX without a limit.
  int64_t allowed(int64_t now_us) {
    if (interval_us_ == 0) return INT64_MAX;
    const auto now = static_cast<double>(now_us);
    if (!begun_) ready_us_ = now;  // nothing to make good yet
    begun_ = true;
    ready_us_ = std::max(ready_us_, now - static_cast<double>(limits::kRateBurstUs));
    if (ready_us_ > now) return 0;
    return 1 + static_cast<int64_t>((now - ready_us_) / interval_us_);
  }
  // So many of those that were allowed have gone.
  void spend(int64_t events) { ready_us_ += static_cast<double>(events) * interval_us_; }
  // When the next one may go.
  int64_t ready_us() const { return static_cast<int64_t>(ready_us_) + 1; }
  double interval_us() const { return interval_us_; }

 private:
  const double interval_us_;
  double ready_us_ = 0;
  bool begun_ = false;
};

}  // namespace headrace::core

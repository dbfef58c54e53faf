// Exponential back-off with jitter: the n-th delay is drawn from the upper half of
// [0, min(first × 2^n, longest)], so that many clients do not come back together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace headrace::client {

class Backoff {
 public:
  Backoff(int64_t first_ms, int64_t longest_ms, uint64_t seed)
      : first_ms_(first_ms), longest_ms_(longest_ms), random_(seed) {}

  int64_t next_ms() {
    int64_t ceiling = std::min(longest_ms_, first_ms_ << std::min(attempt_, 30));
    if (ceiling <= 0) ceiling = longest_ms_;
    ++attempt_;
    return std::uniform_int_distribution<int64_t>(ceiling / 2, ceiling)(random_);
  }
  void reset() { attempt_ = 0; }
  int attempts() const { return attempt_; }

 private:
  int64_t first_ms_;
  int64_t longest_ms_;
  int attempt_ = 0;
  std::mt19937_64 random_;
};

}  // namespace headrace::client

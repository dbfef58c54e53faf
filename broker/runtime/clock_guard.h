// Tells whether the wall clock can be trusted: it must move as the boot clock does. A forward step
// above 5 min or any step back (beyond 1 s of slewing) makes it suspect; then the months do not
// roll and retention rests, until the two have agreed for 10 min (hard case H11).
//
// Lives on: the reactor.
#pragma once

#include <cstdint>

#include "metrics/time.h"

namespace headrace::runtime {

class ClockGuard {
 public:
  static constexpr int64_t kForwardStepUs = 5 * 60 * kMicrosPerSecond;
  static constexpr int64_t kBackStepUs = 1 * kMicrosPerSecond;
  static constexpr int64_t kAgreementUs = 10 * 60 * kMicrosPerSecond;

  // `last_known_wall_us`: the newest time persisted before this start, 0 if there is none.
  explicit ClockGuard(int64_t last_known_wall_us = 0) : last_known_wall_us_(last_known_wall_us) {}

  // True when the verdict changed. Cheap; looks once a second.
  bool observe(const Time& now) {
    if (!started_) {
      started_ = true;
      reference_ = now;
      suspect_ = last_known_wall_us_ > now.wall_us + kBackStepUs;
      return suspect_;
    }
    if (now.mono_us - last_look_mono_us_ < kMicrosPerSecond) return false;
    last_look_mono_us_ = now.mono_us;
    const int64_t drift = (now.wall_us - reference_.wall_us) - (now.mono_us - reference_.mono_us);
    if (drift > kForwardStepUs || drift < -kBackStepUs) {
      reference_ = now;  // agreement counts from the new time on
      const bool changed = !suspect_;
      suspect_ = true;
      return changed;
    }
    if (now.mono_us - reference_.mono_us < kAgreementUs) return false;
    reference_ = now;  // slewing of up to 1 s in 10 min is how clocks are set right
    const bool changed = suspect_;
    suspect_ = false;
    return changed;
  }

  bool suspect() const { return suspect_; }

 private:
  int64_t last_known_wall_us_;
  bool started_ = false;
  bool suspect_ = false;
  Time reference_;
  int64_t last_look_mono_us_ = 0;
};

}  // namespace headrace::runtime

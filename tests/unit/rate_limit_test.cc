#include "broker/core/rate_limit.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

TEST(RateLimit, WithoutARateEverythingMayGo) {
  RateLimit limit;
  limit.spend(1'000'000);
  EXPECT_EQ(limit.allowed(5), INT64_MAX);
}

TEST(RateLimit, OneAtATimeAtALowRate) {
  RateLimit limit(2);
  EXPECT_EQ(limit.allowed(10'000'000), 1) << "nothing to make good at the start";
  limit.spend(1);
  EXPECT_EQ(limit.allowed(10'499'999), 0);
  EXPECT_EQ(limit.allowed(limit.ready_us()), 1);
}

TEST(RateLimit, KeptOnAverageWhenTimersAreLate) {
  RateLimit limit(10'000);
  int64_t gone = 0;
  for (int64_t now_us = 0; now_us < 1'000'000; now_us += 7'000) {
    const int64_t allowed = limit.allowed(now_us);
    gone += allowed;
    limit.spend(allowed);
  }
  EXPECT_GE(gone, 9'900);
  EXPECT_LE(gone, 10'001);
}

TEST(RateLimit, ALongPauseIsNotMadeGood) {
  RateLimit limit(1'000);
  limit.spend(limit.allowed(0));
  EXPECT_LE(limit.allowed(3'600'000'000), 1 + 1'000 * limits::kRateBurstUs / 1'000'000);
}

}  // namespace
}  // namespace headrace::core

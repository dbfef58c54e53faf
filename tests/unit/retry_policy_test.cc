// When a failed event comes again.
#include "broker/core/retry_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/support/prng.h"

namespace headrace::core {
namespace {

constexpr int64_t kMinuteUs = 60 * kMicrosPerSecond;

TEST(RetryPolicy, ByDefaultOneMinuteTimesTwoToTheN) {
  RetryPolicy policy;
  policy.jitter = 0;
  EXPECT_EQ(policy.max_retries, 3u);
  EXPECT_EQ(retry_delay_us(policy, 1, 7), 2 * kMinuteUs);
  EXPECT_EQ(retry_delay_us(policy, 2, 7), 4 * kMinuteUs);
  EXPECT_EQ(retry_delay_us(policy, 3, 7), 8 * kMinuteUs);
}

TEST(RetryPolicy, AListIsTakenAsItIsAndItsLastDelayStays) {
  RetryPolicy policy;
  policy.jitter = 0;
  policy.delays_us = {5, 70, 900};
  EXPECT_EQ(retry_delay_us(policy, 1, 1), 5);
  EXPECT_EQ(retry_delay_us(policy, 2, 1), 70);
  EXPECT_EQ(retry_delay_us(policy, 3, 1), 900);
  EXPECT_EQ(retry_delay_us(policy, 9, 1), 900);
}

TEST(RetryPolicy, StaysWithinItsBoundsAndIsTheSameEachTime) {
  test::Prng prng(1);
  for (int i = 0; i < 5'000; ++i) {
    RetryPolicy policy;
    policy.base_us = 1 + static_cast<int64_t>(prng.below(10 * kMinuteUs));
    policy.factor = 1 + static_cast<double>(prng.below(900)) / 100;
    policy.cap_us = policy.base_us + static_cast<int64_t>(prng.below(1'000 * kMinuteUs));
    policy.jitter = static_cast<double>(prng.below(101)) / 100;
    const auto failures = static_cast<uint32_t>(1 + prng.below(100));
    const uint64_t seed = prng.next();
    const double exact = static_cast<double>(policy.base_us) * std::pow(policy.factor, failures);
    const double least = std::min(exact, static_cast<double>(policy.cap_us));
    const int64_t delay_us = retry_delay_us(policy, failures, seed);
    ASSERT_GE(static_cast<double>(delay_us), std::floor(least)) << i;
    ASSERT_LE(static_cast<double>(delay_us), least * (1 + policy.jitter) + 1) << i;
    ASSERT_EQ(delay_us, retry_delay_us(policy, failures, seed)) << i;
  }
}

TEST(RetryPolicy, ChanceSpreadsEventsThatFailedTogether) {
  RetryPolicy policy;
  policy.jitter = 0.5;
  std::set<int64_t> delays;
  for (uint64_t seed = 0; seed < 100; ++seed) delays.insert(retry_delay_us(policy, 1, seed));
  EXPECT_GT(delays.size(), 95u);
  EXPECT_GT(*delays.rbegin() - *delays.begin(), kMinuteUs / 2);
}

}  // namespace
}  // namespace headrace::core

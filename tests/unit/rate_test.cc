#include "broker/admin/rate.h"

#include <gtest/gtest.h>

namespace headrace::admin {
namespace {

constexpr int64_t kRateSecond = kMicrosPerSecond;

TEST(Rate, IsZeroAtFirstAndThenTheAverageOfTheWindow) {
  Rate rate;
  EXPECT_EQ(rate.per_second(0, 0), 0);
  EXPECT_EQ(rate.per_second(5 * kRateSecond, 500), 100);
  EXPECT_EQ(rate.per_second(10 * kRateSecond, 1'500), 150);
  EXPECT_EQ(rate.per_second(15 * kRateSecond, 1'500), 100) << "the ten seconds from the fifth on";
  EXPECT_EQ(rate.per_second(20 * kRateSecond, 1'500), 0);
}

TEST(Rate, RareQuestionsAreAveragedOverTheTimeBetweenThem) {
  Rate rate;
  rate.per_second(0, 0);
  EXPECT_EQ(rate.per_second(60 * kRateSecond, 600), 10);
  EXPECT_EQ(rate.per_second(120 * kRateSecond, 3'600), 50);
}

TEST(Rate, FrequentQuestionsDoNotShortenTheWindow) {
  Rate rate;
  rate.per_second(0, 0);
  for (int64_t t = 1; t <= 1'000; ++t) {
    EXPECT_NEAR(rate.per_second(t * kRateSecond / 100, static_cast<uint64_t>(t)), 100, 1e-6);
  }
}

}  // namespace
}  // namespace headrace::admin

// The quota of dead letters: what fits, the levels and their hysteresis, the forecast.
#include "broker/core/letter_quota.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

constexpr int64_t kHourUs = int64_t{3'600} * 1'000'000;

void add(LetterQuota* quota, int letters, int64_t bytes, int64_t now_us) {
  for (int i = 0; i < letters; ++i) quota->add(bytes, now_us);
}

TEST(LetterQuota, CountsEntriesAndBytes) {
  LetterQuota quota;
  quota.limit(3, 100);
  EXPECT_TRUE(quota.fits(100));
  quota.add(60, 0);
  EXPECT_TRUE(quota.fits(40));
  EXPECT_FALSE(quota.fits(41));
  EXPECT_FALSE(quota.full());
  quota.add(40, 0);
  EXPECT_TRUE(quota.full());
  quota.remove(60);
  EXPECT_TRUE(quota.fits(60));
  quota.add(1, 0);
  quota.add(1, 0);
  EXPECT_TRUE(quota.full());
  EXPECT_FALSE(quota.fits(0));
}

TEST(LetterQuota, PutsBackWhatIsNoArrival) {
  LetterQuota quota;
  quota.limit(2, 100);
  quota.put_back(30);
  quota.put_back(30);
  EXPECT_EQ(quota.entries(), 2);
  EXPECT_EQ(quota.bytes(), 60);
  EXPECT_TRUE(quota.full());
  quota.remove(30);
  EXPECT_EQ(quota.hours_until_full(kHourUs), -1);
}

TEST(LetterQuota, TakesALetterAboveTheWholeQuotaWhenThereIsNoOther) {
  LetterQuota quota;
  quota.limit(3, 100);
  EXPECT_TRUE(quota.fits(1'000));
  quota.add(1'000, 0);
  EXPECT_TRUE(quota.full());
}

TEST(LetterQuota, TellsEachCrossingOnce) {
  LetterQuota quota;
  quota.limit(100, 1 << 30);
  add(&quota, 79, 1, 0);
  EXPECT_FALSE(quota.update(false));
  quota.add(1, 0);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::warning);
  // Around the threshold nothing is told again.
  for (int i = 0; i < 4; ++i) quota.remove(1);
  EXPECT_FALSE(quota.update(false));
  add(&quota, 4, 1, 0);
  EXPECT_FALSE(quota.update(false));
  add(&quota, 15, 1, 0);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::critical);
  add(&quota, 5, 1, 0);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::full);
  for (int i = 0; i < 6; ++i) quota.remove(1);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::warning);
  for (int i = 0; i < 20; ++i) quota.remove(1);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::ok);
}

TEST(LetterQuota, IsFullWhileEventsWaitForSpace) {
  LetterQuota quota;
  quota.limit(100, 1'000);
  quota.add(700, 0);
  EXPECT_TRUE(quota.update(true));  // a letter of 400 bytes did not fit
  EXPECT_EQ(quota.level(), DlqLevel::full);
  EXPECT_TRUE(quota.update(false));
  EXPECT_EQ(quota.level(), DlqLevel::ok);
}

TEST(LetterQuota, ForecastsFromTheRecentRate) {
  LetterQuota quota;
  quota.limit(1'000, 1 << 30);
  EXPECT_EQ(quota.hours_until_full(0), -1);
  // One a minute, for six hours: 360 letters, 640 left.
  for (int64_t minute = 1; minute <= 360; ++minute) quota.add(10, minute * kHourUs / 60);
  EXPECT_NEAR(quota.hours_until_full(6 * kHourUs), 640.0 / 60, 0.5);
  // Then nothing for a day: no end is in sight.
  EXPECT_EQ(quota.hours_until_full(30 * kHourUs), -1);
  quota.set(1'000, 10);
  EXPECT_EQ(quota.hours_until_full(30 * kHourUs), 0);
}

TEST(LetterQuota, ForecastsByTheScarcerOfTheTwo) {
  LetterQuota quota;
  quota.limit(1'000'000, 100'000);
  for (int64_t minute = 1; minute <= 60; ++minute) quota.add(1'000, minute * kHourUs / 60);
  // 60,000 bytes in an hour, 40,000 left.
  EXPECT_NEAR(quota.hours_until_full(kHourUs), 40.0 / 60, 0.1);
}

}  // namespace
}  // namespace headrace::core

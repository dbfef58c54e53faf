#include "broker/runtime/clock_guard.h"

#include <gtest/gtest.h>

namespace headrace::runtime {
namespace {

constexpr int64_t kSecond = kMicrosPerSecond;

class ClockGuardTest : public testing::Test {
 protected:
  // Time passes; the wall clock moves by `wall_us` more than it should.
  bool pass(int64_t us, int64_t wall_us = 0) {
    now_.mono_us += us;
    now_.wall_us += us + wall_us;
    return guard_.observe(now_);
  }

  Time now_{5 * kSecond, 1'700'000'000 * kSecond};
  ClockGuard guard_;
};

TEST_F(ClockGuardTest, ASteadyClockIsTrusted) {
  guard_.observe(now_);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(pass(kSecond));
  EXPECT_FALSE(guard_.suspect());
}

TEST_F(ClockGuardTest, SlewingIsNoStep) {
  guard_.observe(now_);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(pass(kSecond, i % 2 == 0 ? -500 : 400));
}

TEST_F(ClockGuardTest, AStepForwardIsSuspectUntilTenMinutesAgree) {
  guard_.observe(now_);
  EXPECT_FALSE(pass(kSecond, ClockGuard::kForwardStepUs));
  EXPECT_TRUE(pass(kSecond, 1));
  EXPECT_TRUE(guard_.suspect());
  EXPECT_FALSE(pass(ClockGuard::kAgreementUs - 2 * kSecond));
  EXPECT_TRUE(guard_.suspect());
  EXPECT_TRUE(pass(2 * kSecond));
  EXPECT_FALSE(guard_.suspect());
}

TEST_F(ClockGuardTest, AStepBackIsSuspectAtOnce) {
  guard_.observe(now_);
  EXPECT_TRUE(pass(kSecond, -2 * kSecond));
  EXPECT_TRUE(guard_.suspect());
}

TEST_F(ClockGuardTest, AnotherStepBeginsTheTenMinutesAnew) {
  guard_.observe(now_);
  pass(kSecond, -3'600 * kSecond);
  pass(ClockGuard::kAgreementUs / 2);
  pass(kSecond, 3'600 * kSecond);
  pass(ClockGuard::kAgreementUs / 2 + kSecond);
  EXPECT_TRUE(guard_.suspect());
  pass(ClockGuard::kAgreementUs / 2);
  EXPECT_FALSE(guard_.suspect());
}

TEST_F(ClockGuardTest, LooksOnceASecond) {
  guard_.observe(now_);
  pass(kSecond);
  EXPECT_FALSE(pass(kSecond / 2, -60 * kSecond));
  EXPECT_TRUE(pass(kSecond / 2));
}

TEST_F(ClockGuardTest, AWallClockBeforeTheLastKnownTimeIsSuspectFromTheStart) {
  ClockGuard guard(now_.wall_us + 60 * kSecond);
  EXPECT_TRUE(guard.observe(now_));
  EXPECT_TRUE(guard.suspect());
}

}  // namespace
}  // namespace headrace::runtime

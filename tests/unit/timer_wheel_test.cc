// The timer wheel against a sorted list of deadlines.
#include "broker/runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "broker/limits.h"
#include "tests/support/prng.h"

namespace headrace::runtime {
namespace {

struct Alarm final : core::Timer {
  void on_timer(Time now) override {
    fired_us = now.mono_us;
    ++fired;
    if (then) then();
  }
  int64_t fired_us = -1;
  int fired = 0;
  std::function<void()> then;
};

constexpr int64_t kTick = limits::kWheelTickUs;

TEST(TimerWheel, NeverEarlyAndLateByAtMostATick) {
  for (const int64_t after_us :
       {int64_t{1}, kTick - 1, kTick, 63 * kTick, 64 * kTick, 65 * kTick, 4'095 * kTick,
        4'096 * kTick, int64_t{3'600} * 1'000'000, int64_t{30} * 24 * 3'600 * 1'000'000}) {
    TimerWheel fresh(1'000'000);
    Alarm alarm;
    const int64_t deadline_us = 1'000'000 + after_us;
    fresh.arm(&alarm, deadline_us);
    EXPECT_EQ(fresh.advance({deadline_us - 1, 0}), 0u) << after_us;
    EXPECT_EQ(fresh.advance({deadline_us + kTick, 0}), 1u) << after_us;
    EXPECT_EQ(fresh.size(), 0u);
  }
}

TEST(TimerWheel, DisarmedOnesDoNotFire) {
  TimerWheel wheel(0);
  Alarm alarms[3];
  for (auto& alarm : alarms) wheel.arm(&alarm, 10 * kTick);
  wheel.disarm(&alarms[1]);
  wheel.disarm(&alarms[1]);
  EXPECT_EQ(wheel.advance({20 * kTick, 0}), 2u);
  EXPECT_EQ(alarms[1].fired, 0);
}

TEST(TimerWheel, OneThatFiresMayDisarmAnotherOfTheSameTick) {
  TimerWheel wheel(0);
  Alarm first;
  Alarm second;
  first.then = [&] { wheel.disarm(&second); };
  second.then = [&] { wheel.disarm(&first); };
  wheel.arm(&first, 5 * kTick);
  wheel.arm(&second, 5 * kTick);
  wheel.advance({6 * kTick, 0});
  EXPECT_EQ(first.fired + second.fired, 1);
  EXPECT_EQ(wheel.size(), 0u);
}

// Also after a long sleep: one that arms itself for now must not fire for each tick of it.
TEST(TimerWheel, OneThatArmsItselfWaitsForTheNextCallAndTick) {
  TimerWheel wheel(0);
  Alarm alarm;
  alarm.then = [&] { wheel.arm(&alarm, 0); };
  wheel.arm(&alarm, kTick);
  EXPECT_EQ(wheel.advance({10 * kTick, 0}), 1u);
  EXPECT_EQ(wheel.advance({10 * kTick + 1, 0}), 0u);
  EXPECT_EQ(wheel.advance({int64_t{24} * 3'600 * 1'000'000, 0}), 1u);
  EXPECT_GT(wheel.next_deadline_mono_us(), int64_t{24} * 3'600 * 1'000'000);
  wheel.disarm(&alarm);
}

TEST(TimerWheel, MonthsOfSleepAreOneStep) {
  TimerWheel wheel(0);
  Alarm alarm;
  const int64_t year_us = int64_t{365} * 24 * 3'600 * 1'000'000;
  wheel.arm(&alarm, year_us);
  EXPECT_EQ(wheel.advance({year_us - kTick, 0}), 0u);
  EXPECT_EQ(wheel.advance({year_us, 0}), 1u);
}

// Random arms, disarms and steps; the model knows who must have fired by now.
TEST(TimerWheel, DoesAsAListOfDeadlinesDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Prng prng(seed);
    int64_t now_us = prng.between(0, 1'000'000'000);
    std::vector<std::unique_ptr<Alarm>> alarms;
    TimerWheel wheel(now_us);
    for (int i = 0; i < 20; ++i) alarms.push_back(std::make_unique<Alarm>());
    std::vector<int64_t> due_us(alarms.size(), -1);
    for (int step = 0; step < 200; ++step) {
      const size_t which = prng.below(alarms.size());
      if (prng.chance(0.6)) {
        due_us[which] = now_us + (int64_t{1} << prng.below(36)) + prng.between(-5'000, 5'000);
        wheel.arm(alarms[which].get(), due_us[which]);
        due_us[which] = std::max(due_us[which], now_us);  // what is overdue waits for a tick
      } else if (prng.chance(0.3)) {
        due_us[which] = -1;
        wheel.disarm(alarms[which].get());
      }
      const int64_t next_us = wheel.next_deadline_mono_us();
      for (const int64_t due : due_us) {
        if (due >= 0) {
          ASSERT_LE(next_us, std::max(due, now_us) + 2 * kTick);
        }
      }
      now_us += int64_t{1} << prng.below(34);
      for (auto& alarm : alarms) alarm->fired = 0;
      wheel.advance({now_us, 0});
      for (size_t i = 0; i < alarms.size(); ++i) {
        const bool armed = due_us[i] >= 0;
        if (alarms[i]->fired > 0) {
          ASSERT_TRUE(armed && due_us[i] <= now_us);
        }
        if (armed && due_us[i] + 2 * kTick <= now_us) {
          ASSERT_EQ(alarms[i]->fired, 1);
        }
        if (alarms[i]->fired > 0) due_us[i] = -1;
      }
    }
    for (auto& alarm : alarms) wheel.disarm(alarm.get());
  }
}

}  // namespace
}  // namespace headrace::runtime

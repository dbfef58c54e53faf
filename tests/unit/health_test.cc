// The health of an acked group over a restart; the rest is in golden acked_quarantine, acked_probe.
#include "broker/core/health.h"

#include <gtest/gtest.h>

#include "broker/limits.h"
#include "records.pb.h"

namespace headrace::core {
namespace {

constexpr int64_t kStoppedUs = 1'700'000'000'000'000;

Health stopped_group(const GroupOptions& options) {
  Health health;
  for (uint64_t i = 0; i < limits::kFailuresBeforeQuarantine; ++i) {
    Time now;
    now.mono_us = now.wall_us = kStoppedUs;
    health.on_failure({PartitionId(0), Offset(static_cast<int64_t>(i))}, options, now);
  }
  return health;
}

Health restarted(const Health& before, const GroupOptions& options, int64_t now_us) {
  records::GroupHealth row;
  before.encode(&row);
  Health after;
  after.decode(row, options, now_us);
  return after;
}

TEST(Health, ACooldownGoesOnOverARestart) {
  const GroupOptions options;
  const Health before = stopped_group(options);
  ASSERT_EQ(before.state(), GroupState::quarantined);
  Health after = restarted(before, options, kStoppedUs + options.cooldown_us / 2);
  EXPECT_EQ(after.state(), GroupState::quarantined);
  EXPECT_EQ(after.cooldown_ends_us(), kStoppedUs + options.cooldown_us);
  EXPECT_FALSE(after.tick(kStoppedUs + options.cooldown_us - 1));
  EXPECT_TRUE(after.tick(kStoppedUs + options.cooldown_us));
}

TEST(Health, AProbeThatARestartInterruptsIsFollowedByTheDoubledCooldown) {
  const GroupOptions options;
  Health before = stopped_group(options);
  const int64_t ended_us = kStoppedUs + options.cooldown_us;
  ASSERT_TRUE(before.tick(ended_us));
  const Health after = restarted(before, options, ended_us + 1);
  EXPECT_EQ(after.state(), GroupState::quarantined);
  EXPECT_EQ(after.cooldown_ends_us(), ended_us + 1 + 2 * options.cooldown_us);
}

}  // namespace
}  // namespace headrace::core

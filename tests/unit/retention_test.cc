// The rule of what may go. Whole passes: tests/golden/core/retention*.txt.
#include "broker/core/retention.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

RetentionQuestion question() {
  RetentionQuestion asked;
  asked.now_us = 1'000'000;
  asked.current_month = Month(202401);
  asked.chunk_month = Month(202401);
  asked.chunk_last_append_us = 900'000;
  asked.kept_bytes = 50;
  asked.kept_events = 5;
  return asked;
}

TEST(MayGo, NothingWithoutALimit) {
  auto asked = question();
  asked.chunk_last_append_us = 0;
  asked.kept_bytes = asked.kept_events = INT64_MAX;
  asked.chunk_month = Month(197001);
  EXPECT_FALSE(may_go(Retention{}, asked));
}

TEST(MayGo, ByAge) {
  Retention retention;
  retention.age_us = 100'000;
  auto asked = question();
  EXPECT_FALSE(may_go(retention, asked));
  asked.chunk_last_append_us -= 1;
  EXPECT_TRUE(may_go(retention, asked));
  asked.chunk_last_append_us = asked.now_us + 5;  // appended in the clock's future
  EXPECT_FALSE(may_go(retention, asked));
}

TEST(MayGo, OnlyWhatIsNotNeededToKeepAsMuchAsAsked) {
  Retention bytes;
  bytes.bytes = 51;
  EXPECT_FALSE(may_go(bytes, question()));
  bytes.bytes = 50;
  EXPECT_TRUE(may_go(bytes, question()));
  Retention events;
  events.events = 6;
  EXPECT_FALSE(may_go(events, question()));
  events.events = 5;
  EXPECT_TRUE(may_go(events, question()));
}

TEST(MayGo, WholeMonthsBesideTheCurrentOne) {
  Retention retention;
  retention.months = 1;
  auto asked = question();
  EXPECT_FALSE(may_go(retention, asked));
  asked.chunk_month = Month(202312);
  EXPECT_FALSE(may_go(retention, asked));
  asked.chunk_month = Month(202311);
  EXPECT_TRUE(may_go(retention, asked));
  asked.chunk_month = Month(202402);  // a month in the future is a clock's mistake
  EXPECT_FALSE(may_go(retention, asked));
}

// ---- held for acked groups

constexpr int64_t kRetentionDayUs = int64_t{24} * 3600 * 1'000'000;

TEST(HeldLongEnough, OneMorePeriodThanTheAge) {
  Retention retention;
  retention.age_us = 100;
  RetentionQuestion asked;
  asked.chunk_last_append_us = 1'000;
  asked.now_us = 1'199;
  EXPECT_FALSE(held_long_enough(retention, asked, 0));
  asked.now_us = 1'200;
  EXPECT_TRUE(held_long_enough(retention, asked, 0));
  EXPECT_FALSE(held_long_enough(retention, asked, 101));
  EXPECT_TRUE(held_long_enough(retention, asked, 99));
}

TEST(HeldLongEnough, AtMostAMonthBeyondALongAge) {
  Retention retention;
  retention.age_us = 365 * kRetentionDayUs;
  RetentionQuestion asked;
  asked.now_us = (365 + 31) * kRetentionDayUs - 1;
  EXPECT_FALSE(held_long_enough(retention, asked, 0));
  asked.now_us += 1;
  EXPECT_TRUE(held_long_enough(retention, asked, 0));
}

TEST(HeldLongEnough, SinceTheEndOfTheLastMonthThatIsKept) {
  Retention retention;
  retention.months = 1;
  RetentionQuestion asked;
  asked.chunk_month = Month(202311);
  const int64_t goes_us = int64_t{1'704'067'200} * 1'000'000;  // 2024-01-01
  asked.now_us = goes_us + 31 * kRetentionDayUs - 1;
  EXPECT_FALSE(held_long_enough(retention, asked, 0));
  asked.now_us += 1;
  EXPECT_TRUE(held_long_enough(retention, asked, 0));
}

TEST(HeldLongEnough, SinceItWasAppendedWhereOnlyTheSizeIsBounded) {
  Retention retention;
  retention.bytes = 10;
  retention.age_us = 365 * kRetentionDayUs;  // not reached
  RetentionQuestion asked;
  asked.chunk_last_append_us = kRetentionDayUs;
  asked.now_us = 32 * kRetentionDayUs - 1;
  EXPECT_FALSE(held_long_enough(retention, asked, 0));
  asked.now_us += 1;
  EXPECT_TRUE(held_long_enough(retention, asked, 0));
  EXPECT_TRUE(held_long_enough(retention, asked, kRetentionDayUs));
}

TEST(RetentionWithin, TheSmallerOfTopicAndTenantHolds) {
  Topic topic;
  topic.name = "orders";
  EXPECT_TRUE(retention_within(topic, {}).unlimited());
  Quotas quotas;
  quotas.set(Quota::keep_days, 2);
  quotas.set(Quota::keep_months, 3);
  Retention within = retention_within(topic, quotas);
  EXPECT_EQ(within.age_us, int64_t{2} * 86'400 * 1'000'000);
  EXPECT_EQ(within.months, 3u);
  EXPECT_FALSE(within.bytes || within.events);
  topic.retention = {.age_us = 5, .bytes = 6, .events = 7, .months = 9};
  within = retention_within(topic, quotas);
  EXPECT_EQ(within, (Retention{.age_us = 5, .bytes = 6, .events = 7, .months = 3}));
  topic.name = kSystemTopic;
  EXPECT_EQ(retention_within(topic, quotas), topic.retention);
  topic.name = "orders";
  quotas.set(Quota::keep_days, INT64_MAX);
  quotas.set(Quota::keep_months, INT64_MAX);
  EXPECT_EQ(retention_within(topic, quotas), topic.retention);
}

}  // namespace
}  // namespace headrace::core

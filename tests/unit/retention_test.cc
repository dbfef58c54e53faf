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

}  // namespace
}  // namespace headrace::core

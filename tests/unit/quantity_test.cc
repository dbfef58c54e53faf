#include "metrics/quantity.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace headrace {
namespace {

TEST(Quantity, Durations) {
  EXPECT_EQ(parse_duration_us("250ms"), 250'000);
  EXPECT_EQ(parse_duration_us("30s"), 30'000'000);
  EXPECT_EQ(parse_duration_us("5m"), 300'000'000);
  EXPECT_EQ(parse_duration_us("2h"), 7'200'000'000);
  EXPECT_EQ(parse_duration_us("7d"), 604'800'000'000);
  EXPECT_EQ(parse_duration_us("15us"), 15);
  EXPECT_EQ(parse_duration_us("0"), 0);
  for (const char* bad : {"", "s", "5", "5 s", "-5s", "-0s", "+5s", "1.5s", "5S", "5sec", "5s ",
                          "99999999999999999999s", "9223372036854775807d"}) {
    EXPECT_EQ(parse_duration_us(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_duration_us(0), "0s");
  EXPECT_EQ(format_duration_us(90'000'000), "90s");
  EXPECT_EQ(format_duration_us(120'000'000), "2m");
  EXPECT_EQ(format_duration_us(1), "1us");
}

TEST(Quantity, Sizes) {
  EXPECT_EQ(parse_size("64KiB"), 65'536);
  EXPECT_EQ(parse_size("1GiB"), 1'073'741'824);
  EXPECT_EQ(parse_size("100"), 100);
  EXPECT_EQ(parse_size("100B"), 100);
  for (const char* bad : {"", "KiB", "64KB", "64kib", "64 KiB", "-1B", "9223372036854775807KiB"}) {
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(format_size(65'536), "64KiB");
  EXPECT_EQ(format_size(65'537), "65537B");
}

TEST(Quantity, Times) {
  EXPECT_EQ(parse_time_us("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time_us("2025-07-01T12:00:00.000001Z"), 1'751'371'200'000'001);
  EXPECT_EQ(parse_time_us("2025-07-01T14:00:00.0000019+02:00"), 1'751'371'200'000'001);
  EXPECT_EQ(parse_time_us("2025-07-01t09:30:00.5-02:30"), 1'751'371'200'500'000);
  EXPECT_EQ(parse_time_us("1969-12-31T23:59:59.5Z"), -500'000);
  EXPECT_EQ(parse_time_us("2024-02-29T00:00:00Z"), 1'709'164'800'000'000);
  for (const char* bad :
       {"", "2025-07-01", "2025-07-01T12:00:00", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
        "2025-07-01T24:00:00Z", "2025-07-01T12:60:00Z", "2025-07-01T12:00:00.Z",
        "2025-07-01T12:00:00+0200", "2025-07-01T12:00:00Zx", "+025-07-01T12:00:00Z"}) {
    EXPECT_EQ(parse_time_us(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_time_us(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_time_ms(1'751'371'200'001), "2025-07-01T12:00:00.001Z");
}

RC_GTEST_PROP(Quantity, WhatIsFormattedParsesBack, ()) {
  const auto value = *rc::gen::inRange<int64_t>(0, int64_t{1} << 60);
  RC_ASSERT(parse_duration_us(format_duration_us(value)) == value);
  RC_ASSERT(parse_size(format_size(value)) == value);
  const auto time_us = *rc::gen::inRange<int64_t>(-62'135'596'800'000'000, 253'402'300'799'999'999);
  RC_ASSERT(parse_time_us(format_time_us(time_us)) == time_us);
}

}  // namespace
}  // namespace headrace

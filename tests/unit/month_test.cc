#include "storage/month.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "metrics/big_endian.h"
#include "metrics/crc32c.h"

namespace headrace::storage {
namespace {

TEST(Month, BoundariesAreToTheMicrosecond) {
  EXPECT_EQ(month_of(0), Month(197001));
  const int64_t march = month_start_us(Month(202403));
  EXPECT_EQ(march, 1'709'251'200'000'000);  // 2024-03-01T00:00:00Z
  EXPECT_EQ(month_of(march), Month(202403));
  EXPECT_EQ(month_of(march - 1), Month(202402));
}

TEST(Month, YearsRollOver) {
  EXPECT_EQ(next_month(Month(202412)), Month(202501));
  EXPECT_EQ(previous_month(Month(202501)), Month(202412));
  EXPECT_EQ(next_month(Month(202401)), Month(202402));
}

TEST(Month, LeapFebruaryHas29Days) {
  constexpr int64_t kDay = 86'400'000'000;
  EXPECT_EQ(month_start_us(Month(202403)) - month_start_us(Month(202402)), 29 * kDay);
  EXPECT_EQ(month_start_us(Month(210003)) - month_start_us(Month(210002)), 28 * kDay);
}

TEST(Month, OnlyLabelsOfTheCalendarAreMonths) {
  EXPECT_TRUE(is_month(Month(202412)));
  for (const uint32_t label : {0u, 202400u, 202413u, 196912u, 1'000'001u}) {
    EXPECT_FALSE(is_month(Month(label))) << label;
  }
}

TEST(MonthDeathTest, AnImpossibleMonthIsABug) {
  EXPECT_DEATH(next_month(Month(202413)), "check failed");
  EXPECT_DEATH(month_of(-1), "check failed");
}

RC_GTEST_PROP(Month, ATimeLiesInItsMonth, ()) {
  const int64_t time = *rc::gen::inRange<int64_t>(0, 250'000'000'000'000'000);
  const Month month = month_of(time);
  RC_ASSERT(month_start_us(month) <= time);
  RC_ASSERT(time < month_start_us(next_month(month)));
  RC_ASSERT(previous_month(next_month(month)) == month);
}

TEST(MonthRow, AddsUpAndChainsTheDigest) {
  MonthRow row{.month = Month(202611)};
  row.add(0x01020304, 100, 3, 5'000);
  row.add(0x05060708, 50, 1, 5'000);
  EXPECT_EQ(row.bytes, 150u);
  EXPECT_EQ(row.events, 4u);
  EXPECT_EQ(row.first_append_us, 5'000);
  EXPECT_EQ(row.last_append_us, 5'000);
  EXPECT_EQ(row.digest, crc32c_extend(0, "\1\2\3\4\5\6\7\x08", 8));
}

TEST(MonthRowDeathTest, TimeGoingBackAndAppendsAfterTheSealAreBugs) {
  MonthRow row{.month = Month(202611)};
  row.add(1, 1, 1, 10);
  EXPECT_DEATH(row.add(1, 1, 1, 9), "check failed");
  row.sealed = true;
  EXPECT_DEATH(row.add(1, 1, 1, 11), "check failed");
}

RC_GTEST_PROP(MonthRow, DecodesWhatItEncodes, ()) {
  MonthRow row{.month = Month(202611), .sealed = *rc::gen::arbitrary<bool>()};
  row.first_append_us = *rc::gen::arbitrary<int64_t>();
  row.last_append_us = *rc::gen::arbitrary<int64_t>();
  row.bytes = *rc::gen::arbitrary<uint64_t>();
  row.events = *rc::gen::arbitrary<uint64_t>();
  row.digest = *rc::gen::arbitrary<uint32_t>();
  const std::string bytes = row.encode();
  RC_ASSERT(MonthRow::decode(bytes) == row);
  RC_ASSERT(!MonthRow::decode(bytes + "x").has_value());
  const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!MonthRow::decode(bytes.substr(0, cut)).has_value());
}

TEST(MonthRow, ForeignVersionsFlagsAndMonthsAreRefused) {
  const std::string bytes = MonthRow{.month = Month(202611)}.encode();
  for (const auto& [at, value] : {std::pair{0, 2}, {1, 2}, {5, 0}}) {
    std::string other = bytes;
    other[static_cast<size_t>(at)] = static_cast<char>(value);
    EXPECT_FALSE(MonthRow::decode(other)) << at;
  }
}

}  // namespace
}  // namespace headrace::storage

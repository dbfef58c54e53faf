// Which month an append goes to when families exist for some months only, and which is made next.
#include "broker/runtime/months.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace headrace::runtime {
namespace {

constexpr int64_t kDayUs = int64_t{24} * 3'600 * kMicrosPerSecond;

TEST(MonthKeeper, TheNewestUntilTheWanted) {
  const MonthKeeper months({Month(202603), Month(202601)});
  EXPECT_EQ(months.newest_until(Month(202604)), Month(202603));
  EXPECT_EQ(months.newest_until(Month(202603)), Month(202603));
  EXPECT_EQ(months.newest_until(Month(202602)), Month(202601));
  EXPECT_EQ(months.newest_until(Month(202601)), Month(202601));
}

TEST(MonthKeeper, AClockBeforeAllOfThemGoesToTheFirst) {
  const MonthKeeper months({Month(202603), Month(202601)});
  EXPECT_EQ(months.newest_until(Month(202512)), Month(202601));
  EXPECT_EQ(months.newest_until(Month(197001)), Month(202601));
  EXPECT_EQ(MonthKeeper({}).newest_until(Month(202512)), std::nullopt);
}

TEST(MonthKeeper, TheNextOneIsMadeDaysAhead) {
  MonthKeeper months({});
  const int64_t start_us = storage::month_start_us(Month(202603));
  EXPECT_EQ(months.due(start_us), Month(202603));
  months.add(Month(202603));
  months.add(Month(202603));
  EXPECT_EQ(months.due(start_us), std::nullopt);
  const int64_t end_us = storage::month_start_us(Month(202604));
  EXPECT_EQ(months.due(end_us - MonthKeeper::kAheadUs - 1), std::nullopt);
  EXPECT_EQ(months.due(end_us - MonthKeeper::kAheadUs), Month(202604));
  months.add(Month(202604));
  EXPECT_EQ(months.due(end_us), std::nullopt);
  // Set back: that month is made, too.
  EXPECT_EQ(months.due(start_us - kDayUs), Month(202602));
}

RC_GTEST_PROP(MonthKeeper, DoesAsASetDoes, ()) {
  std::set<Month> model;
  MonthKeeper months({});
  const auto draw = [] {
    return Month(
        static_cast<uint32_t>(*rc::gen::inRange(2020, 2024) * 100 + *rc::gen::inRange(1, 13)));
  };
  const int count = *rc::gen::inRange(0, 20);
  for (int i = 0; i < count; ++i) {
    const Month month = draw();
    model.insert(month);
    months.add(month);
  }
  const Month wanted = draw();
  RC_ASSERT(months.has(wanted) == model.contains(wanted));
  std::optional<Month> expected;
  if (!model.empty()) expected = *model.begin();
  for (const Month month : model) {
    if (month <= wanted) expected = month;
  }
  RC_ASSERT(months.newest_until(wanted) == expected);
}

}  // namespace
}  // namespace headrace::runtime

#include "broker/native/receive_budget.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

namespace headrace::native {
namespace {

TEST(ReceiveBudget, GivesWhatIsThere) {
  ReceiveBudget budget(100);
  EXPECT_TRUE(budget.take(1, 60));
  EXPECT_TRUE(budget.take(1, 60)) << "asked again, taken once";
  EXPECT_TRUE(budget.take(2, 40));
  EXPECT_EQ(budget.free_bytes(), 0u);
  budget.release(1);
  budget.release(2);
  budget.release(2);
  EXPECT_EQ(budget.free_bytes(), 100u);
}

TEST(ReceiveBudget, WhoAskedFirstGoesFirst) {
  ReceiveBudget budget(100);
  EXPECT_TRUE(budget.take(1, 80));
  EXPECT_FALSE(budget.take(2, 90));
  EXPECT_FALSE(budget.take(3, 10)) << "there is room, but the large one would starve";
  EXPECT_EQ(budget.next(), std::nullopt);
  budget.release(1);
  EXPECT_EQ(budget.next(), 2u);
  EXPECT_TRUE(budget.take(2, 90));
  EXPECT_EQ(budget.next(), 3u);
  EXPECT_EQ(budget.next(), std::nullopt);
  EXPECT_EQ(budget.free_bytes(), 0u);
}

TEST(ReceiveBudget, WhoLeavesTheQueueHoldsNobody) {
  ReceiveBudget budget(100);
  EXPECT_TRUE(budget.take(1, 100));
  EXPECT_FALSE(budget.take(2, 100));
  EXPECT_FALSE(budget.take(3, 50));
  EXPECT_FALSE(budget.take(4, 50));
  budget.release(3);
  budget.release(2);
  budget.release(1);
  EXPECT_EQ(budget.next(), 4u);
  EXPECT_EQ(budget.waiting(), 0u);
  EXPECT_EQ(budget.free_bytes(), 50u);
}

// Whatever happens: never more than the budget, in order, and everybody gets a turn.
RC_GTEST_PROP(ReceiveBudget, IsBoundedFairAndLeavesNobodyBehind, ()) {
  constexpr size_t kBytes = 1'000;
  ReceiveBudget budget(kBytes);
  std::map<uint64_t, size_t> granted;
  std::vector<std::pair<uint64_t, size_t>> waiting;
  uint64_t next_origin = 1;
  const auto steps = *rc::gen::container<std::vector<uint16_t>>(rc::gen::arbitrary<uint16_t>());
  const auto settle = [&] {
    while (const auto origin = budget.next()) {
      RC_ASSERT(!waiting.empty());
      RC_ASSERT(waiting.front().first == *origin);
      granted.insert(waiting.front());
      waiting.erase(waiting.begin());
    }
    size_t used = 0;
    for (const auto& [origin, bytes] : granted) used += bytes;
    RC_ASSERT(used + budget.free_bytes() == kBytes);
  };
  for (const uint16_t step : steps) {
    if (step % 3 != 0) {
      const uint64_t origin = next_origin++;
      const size_t bytes = 1 + step % kBytes;
      if (budget.take(origin, bytes)) {
        RC_ASSERT(waiting.empty());
        granted[origin] = bytes;
      } else {
        waiting.emplace_back(origin, bytes);
      }
    } else if (step % 2 == 0 && !granted.empty()) {
      budget.release(granted.begin()->first);
      granted.erase(granted.begin());
    } else if (!waiting.empty()) {
      const size_t at = step % waiting.size();
      budget.release(waiting[at].first);
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
    }
    settle();
  }
  while (!granted.empty()) {
    budget.release(granted.begin()->first);
    granted.erase(granted.begin());
    settle();
  }
  RC_ASSERT(waiting.empty());
  RC_ASSERT(budget.free_bytes() == kBytes);
}

}  // namespace
}  // namespace headrace::native

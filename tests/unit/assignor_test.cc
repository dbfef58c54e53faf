#include "broker/core/assignor.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace headrace::core {
namespace {

std::vector<std::string> names(size_t count) {
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) all.push_back("m" + std::to_string(i));
  return all;
}

void expect_fair_and_complete(const Assignment& assignment, uint32_t partitions, size_t members) {
  std::set<PartitionId> taken;
  size_t least = SIZE_MAX;
  size_t most = 0;
  for (const auto& [name, mine] : assignment) {
    RC_ASSERT(std::is_sorted(mine.begin(), mine.end()));
    for (PartitionId partition : mine) RC_ASSERT(taken.insert(partition).second);
    least = std::min(least, mine.size());
    most = std::max(most, mine.size());
  }
  RC_ASSERT(assignment.size() == members);
  RC_ASSERT(taken.size() == partitions);
  RC_ASSERT(most - least <= 1u);
}

RC_GTEST_PROP(Assignor, IsFairAndComplete, ()) {
  const auto members = *rc::gen::inRange<size_t>(1, 20);
  const auto partitions = *rc::gen::inRange<uint32_t>(1, 100);
  expect_fair_and_complete(assign(names(members), partitions, {}), partitions, members);
}

// One member more or less moves no more than it must: what it gets, or what it had.
RC_GTEST_PROP(Assignor, MovesLittle, ()) {
  const auto members = *rc::gen::inRange<size_t>(2, 20);
  const auto partitions = *rc::gen::inRange<uint32_t>(1, 100);
  const Assignment before = assign(names(members), partitions, {});
  auto fewer = names(members);
  const auto gone = fewer.begin() + *rc::gen::inRange<int>(0, static_cast<int>(members));
  const std::string lost = *gone;
  fewer.erase(gone);
  const Assignment after = assign(fewer, partitions, before);
  expect_fair_and_complete(after, partitions, members - 1);
  for (const auto& [name, mine] : before) {
    if (name == lost) continue;
    const auto& now = after.at(name);
    for (PartitionId partition : mine) {
      RC_ASSERT(std::binary_search(now.begin(), now.end(), partition));
    }
  }
  const Assignment back = assign(names(members), partitions, after);
  expect_fair_and_complete(back, partitions, members);
  size_t moved = 0;
  for (const auto& [name, mine] : after) {
    for (PartitionId partition : mine) {
      const auto& now = back.at(name);
      if (!std::binary_search(now.begin(), now.end(), partition)) ++moved;
    }
  }
  RC_ASSERT(moved == back.at(lost).size());
}

TEST(Assignor, NobodyGetsNothing) {
  EXPECT_TRUE(assign({}, 5, {}).empty());
}

}  // namespace
}  // namespace headrace::core

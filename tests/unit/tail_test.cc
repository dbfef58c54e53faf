#include "broker/core/tail.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace::core {
namespace {

TailBatch batch(int64_t base, int64_t last, uint64_t sequence, size_t size = 100) {
  return {Offset(base), Offset(last), StoredBatch{SharedBytes::copy_of(std::string(size, 'x')), 1},
          sequence};
}
constexpr size_t kOne = 100 + sizeof(TailBatch);

TEST(Tail, FindsTheBatchOfAnOffset) {
  Tail tail(1u << 20);
  auto mine = tail.open();
  tail.append(mine, batch(10, 14, 1));
  tail.append(mine, batch(15, 15, 1));
  EXPECT_EQ(mine->find(Offset(9)), mine->size());
  EXPECT_EQ(mine->find(Offset(10)), 0u);
  EXPECT_EQ(mine->find(Offset(14)), 0u);
  EXPECT_EQ(mine->find(Offset(15)), 1u);
  EXPECT_EQ(mine->find(Offset(16)), mine->size());
  EXPECT_EQ(tail.bytes(), 2 * kOne);
}

TEST(Tail, TheOldestGoesFirstOverAllPartitions) {
  Tail tail(2 * kOne);
  auto first = tail.open();
  auto second = tail.open();
  tail.append(first, batch(0, 0, 1));
  tail.append(second, batch(0, 0, 1));
  tail.on_committed(*first, 1);
  tail.on_committed(*second, 1);
  tail.append(second, batch(1, 1, 2));
  EXPECT_TRUE(first->empty());
  EXPECT_EQ(second->size(), 2u);
  EXPECT_EQ(tail.bytes(), 2 * kOne);
}

TEST(Tail, WhatIsNotCommittedStays) {
  Tail tail(kOne);
  auto mine = tail.open();
  tail.append(mine, batch(0, 0, 1));
  tail.append(mine, batch(1, 1, 2));
  EXPECT_EQ(mine->size(), 2u);
  tail.on_committed(*mine, 1);
  EXPECT_EQ(mine->size(), 1u);
  EXPECT_EQ(mine->first(), Offset(1));
}

TEST(Tail, AClosedPartitionGivesItsBytesBack) {
  Tail tail(1u << 20);
  auto first = tail.open();
  auto second = tail.open();
  tail.append(first, batch(0, 0, 1));
  tail.append(second, batch(0, 0, 1));
  tail.append(first, batch(1, 1, 1));
  tail.close(*second);
  tail.close(*first);
  EXPECT_EQ(tail.bytes(), 0u);
}

}  // namespace
}  // namespace headrace::core

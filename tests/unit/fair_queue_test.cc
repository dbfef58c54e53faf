// What the writer takes next: order within a shard, fairness between tenants, acks before events.
#include "storage/rocks/fair_queue.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "tests/support/prng.h"

namespace headrace::storage {
namespace {

struct QueuedSet final : Commit {
  void run() override {}
};

class FairQueueTest : public ::testing::Test {
 protected:
  // Numbered as they come; `bytes` of events, or of anything else.
  void push(uint32_t tenant, uint16_t shard, size_t bytes, bool events = true,
            uint32_t weight = 1) {
    auto& set = sets_.emplace_back(std::make_unique<QueuedSet>());
    set->set.shard = ShardId(shard);
    set->set.sequence = sets_.size();
    set->weight = weight;
    const PartitionKey partition{TenantId(tenant), TopicId(1), SliceId(0), PartitionId(0)};
    if (events) {
      set->set.put_batch({Table::log, Month(202605), TenantId(tenant)},
                         log_key(LogKind::batch, partition, Offset(1)), Envelope{},
                         SharedBytes::allocate(bytes));
    } else {
      set->set.put({Table::offsets, Month(0), TenantId(tenant)},
                   log_key(LogKind::batch, partition, Offset(1)), std::string(bytes, 'x'));
    }
    queue_.push({set.get(), bytes}, now_us_);
  }
  uint32_t pop() {
    const Submitted* next = queue_.next(SIZE_MAX, FairQueue::Of::all);
    EXPECT_NE(next, nullptr);
    return static_cast<uint32_t>(queue_.pop().commit->set.sequence);
  }

  int64_t now_us_ = 0;
  FairQueue queue_;
  std::vector<std::unique_ptr<QueuedSet>> sets_;
};

TEST_F(FairQueueTest, ATenantOfManyShardsHasOneTurn) {
  for (uint16_t shard = 1; shard <= 20; ++shard) push(1, shard, 1'000);
  EXPECT_EQ(pop(), 1u);
  EXPECT_EQ(pop(), 2u);
  push(2, 30, 1'000);  // 21
  push(2, 30, 1'000);
  EXPECT_LE(pop() == 21 ? 0 : pop() == 21 ? 1 : 2, 1) << "not behind all that waited";
}

TEST_F(FairQueueTest, OneTenantsShardsGoInTurn) {
  push(1, 1, 500);
  push(1, 1, 500);
  push(1, 2, 500);
  push(1, 3, 500);
  EXPECT_EQ(std::vector<uint32_t>({pop(), pop(), pop(), pop()}),
            std::vector<uint32_t>({1, 3, 4, 2}));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(FairQueueTest, WithoutEventsFirstAndOnlyWhatFits) {
  push(1, 1, 5'000);
  push(1, 2, 40, false);
  EXPECT_EQ(queue_.next(4'000, FairQueue::Of::all), nullptr) << "whose turn it is does not fit";
  ASSERT_NE(queue_.next(4'000, FairQueue::Of::without_events), nullptr);
  EXPECT_EQ(queue_.pop().commit->set.sequence, 2u);
  EXPECT_EQ(queue_.next(SIZE_MAX, FairQueue::Of::without_events), nullptr);
  EXPECT_EQ(queue_.bytes(), 5'000u);
}

TEST_F(FairQueueTest, OneTurnOfEachTenantIsAhead) {
  for (int i = 0; i < 3; ++i) push(1, 1, 1'000);
  EXPECT_EQ(pop(), 1u);
  EXPECT_EQ(queue_.next(SIZE_MAX, FairQueue::Of::not_ahead), nullptr);
  push(2, 2, 10);
  push(2, 2, 10);
  ASSERT_NE(queue_.next(SIZE_MAX, FairQueue::Of::not_ahead), nullptr);
  EXPECT_EQ(queue_.pop().commit->set.sequence, 4u);
  EXPECT_EQ(queue_.next(SIZE_MAX, FairQueue::Of::not_ahead), nullptr);
  queue_.nothing_ahead();
  EXPECT_NE(queue_.next(SIZE_MAX, FairQueue::Of::not_ahead), nullptr);
}

TEST_F(FairQueueTest, KnowsWhetherSeveralPublish) {
  push(1, 1, 100);
  push(1, 2, 100);
  push(2, 3, 100, false);
  EXPECT_FALSE(queue_.shared(now_us_)) << "acks are no publishes";
  push(2, 3, 100);
  EXPECT_TRUE(queue_.shared(now_us_));
  now_us_ += 2'000'000;
  EXPECT_FALSE(queue_.shared(now_us_));
  push(2, 3, 100);
  EXPECT_FALSE(queue_.shared(now_us_)) << "alone again";
}

// Tenants that always wait get bytes by weight, but for the largest set of each; every shard keeps
// its order.
TEST_F(FairQueueTest, SharesByWeight) {
  test::Prng prng(7);
  constexpr size_t kLargest = 10'000;
  const std::vector<uint32_t> weights = {1, 2, 5};
  std::map<uint32_t, double> served;
  std::map<uint16_t, uint64_t> last;
  const auto push_for = [&](uint32_t tenant) {
    const auto shard = static_cast<uint16_t>(tenant * 10 + prng.below(3));
    push(tenant, shard, 1 + prng.below(kLargest), true, weights[tenant]);
  };
  for (int i = 0; i < 30; ++i) push_for(static_cast<uint32_t>(i % 3));
  for (int step = 0; step < 3'000; ++step) {
    ASSERT_NE(queue_.next(SIZE_MAX, FairQueue::Of::all), nullptr);
    const Submitted taken = queue_.pop();
    const WriteSet& set = taken.commit->set;
    EXPECT_GT(set.sequence, last[set.shard.value()]);
    last[set.shard.value()] = set.sequence;
    const uint32_t tenant = set.mutations().front().place.tenant.value();
    served[tenant] += static_cast<double>(taken.bytes) / weights[tenant];
    push_for(tenant);
    for (uint32_t other = 0; other < 3; ++other) {
      EXPECT_LE(std::abs(served[tenant] - served[other]),
                static_cast<double>(kLargest) / weights[tenant] +
                    static_cast<double>(kLargest) / weights[other])
          << step;
    }
  }
}

}  // namespace
}  // namespace headrace::storage

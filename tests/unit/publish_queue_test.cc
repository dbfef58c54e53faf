// Publishes that wait for a set: order within a tenant, fairness between them.
#include "broker/core/publish_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tests/support/prng.h"

namespace headrace::core {
namespace {

PublishQueue::Waiting queued_publish(uint32_t number, int64_t bytes) {
  auto request = std::make_unique<InitProducer>(Access::nobody());
  request->ticket = number;
  return {std::move(request), bytes};
}

TEST(PublishQueue, WhoComesLateIsNotBehindTheFlood) {
  PublishQueue queue;
  for (uint32_t i = 0; i < 1'000; ++i) queue.push(TenantId(1), queued_publish(i, 64'000));
  for (uint32_t i = 0; i < 10; ++i) queue.pop();
  queue.push(TenantId(2), queued_publish(5'000, 100));
  queue.push(TenantId(2), queued_publish(5'001, 100));
  std::vector<uint32_t> next;
  for (int i = 0; i < 4; ++i) next.push_back(queue.pop().request->ticket);
  // One of the flood may be before each of them, no more.
  EXPECT_LE(std::ranges::find(next, 5'000u) - next.begin(), 1);
  EXPECT_LE(std::ranges::find(next, 5'001u) - next.begin(), 2);
  EXPECT_EQ(queue.size(), 1'000u - 10 + 2 - 4);
}

TEST(PublishQueue, TheBoundIsSharedByTenants) {
  PublishQueue queue;
  const auto fill = [&](uint32_t tenant) {
    size_t pushed = 0;
    for (; queue.admits(TenantId(tenant), 1'000); ++pushed) {
      queue.push(TenantId(tenant), queued_publish(tenant, 10));
    }
    return pushed;
  };
  EXPECT_EQ(fill(1), 500u);
  EXPECT_EQ(fill(2), 250u);
  EXPECT_FALSE(queue.admits(TenantId(1), 1'000)) << "busy";
  EXPECT_TRUE(queue.admits(TenantId(3), 1'000));
  for (int i = 0; i < 600; ++i) queue.pop();
  EXPECT_TRUE(queue.admits(TenantId(1), 1'000));
}

TEST(PublishQueue, WhatWasNotUsedIsNotSavedUp) {
  PublishQueue queue;
  for (uint32_t i = 0; i < 100; ++i) queue.push(TenantId(1), queued_publish(1, 1'000));
  for (uint32_t i = 0; i < 50; ++i) queue.pop();
  for (uint32_t i = 0; i < 100; ++i) queue.push(TenantId(2), queued_publish(2, 1'000));
  int of_second = 0;
  for (int i = 0; i < 40; ++i) of_second += queue.pop().request->ticket == 2 ? 1 : 0;
  EXPECT_NEAR(of_second, 20, 1) << "half, whatever the first has had";
}

// Any two tenants that both wait all the time get bytes by their weights, but for the largest
// publish of each; each keeps its order; nothing is lost.
TEST(PublishQueue, SharesByWeightAndKeepsOrder) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    test::Prng prng(seed);
    constexpr int64_t kLargest = 10'000;
    const auto tenants = static_cast<uint32_t>(2 + prng.below(5));
    PublishQueue queue;
    std::vector<double> weights(tenants), served(tenants);
    std::vector<uint32_t> pushed(tenants), popped(tenants);
    const auto push = [&](uint32_t tenant) {
      auto publish = queued_publish(tenant << 20 | pushed[tenant]++, prng.between(1, kLargest));
      publish.weight = static_cast<uint32_t>(weights[tenant]);
      queue.push(TenantId(tenant), std::move(publish));
    };
    for (uint32_t tenant = 0; tenant < tenants; ++tenant) {
      weights[tenant] = static_cast<double>(prng.between(1, 9));
      for (int i = 0; i < 20; ++i) push(tenant);
    }
    for (int step = 0; step < 2'000; ++step) {
      const auto taken = queue.pop();
      const uint32_t tenant = taken.request->ticket >> 20;
      EXPECT_EQ(taken.request->ticket & 0xfffff, popped[tenant]++) << seed;
      served[tenant] += static_cast<double>(taken.bytes) / weights[tenant];
      push(tenant);  // it always wants more
      for (uint32_t other = 0; other < tenants; ++other) {
        EXPECT_LE(std::abs(served[tenant] - served[other]),
                  kLargest / weights[tenant] + kLargest / weights[other])
            << "seed " << seed << " step " << step;
      }
    }
    EXPECT_EQ(queue.size(), 20u * tenants);
    EXPECT_EQ(queue.take_all().size(), 20u * tenants);
    EXPECT_TRUE(queue.empty());
  }
}

}  // namespace
}  // namespace headrace::core

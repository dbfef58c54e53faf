// What tenants are given of a reactor's turn: shares by weight, nobody starves, nothing is wasted.
#include "broker/core/turn_shares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/prng.h"

namespace headrace::core {
namespace {

constexpr int64_t kEventsOfATurn = 1'000;

// Takes all it can get, in pieces of at most `piece`.
int64_t take_all(TurnShares* turns, uint32_t tenant, uint32_t weight, int64_t now_us,
                 int64_t piece) {
  int64_t taken = 0;
  while (const int64_t room = turns->room(TenantId(tenant), weight, now_us)) {
    const int64_t some = std::min(room, piece);
    turns->spend(TenantId(tenant), some);
    taken += some;
  }
  return taken;
}

TEST(TurnShares, OneTenantAloneHasTheWholeTurn) {
  TurnShares turns(kEventsOfATurn);
  for (int64_t turn = 1; turn <= 3; ++turn) {
    EXPECT_EQ(take_all(&turns, 7, 3, turn, 64), kEventsOfATurn);
    EXPECT_EQ(turns.room(TenantId(7), 3, turn), 0);
  }
}

TEST(TurnShares, WhoAsksForNothingTakesNothingAway) {
  TurnShares turns(kEventsOfATurn);
  for (int64_t turn = 1; turn <= 3; ++turn) {
    for (uint32_t idle = 10; idle < 20; ++idle) EXPECT_GT(turns.room(TenantId(idle), 1, turn), 0);
    EXPECT_EQ(take_all(&turns, 7, 1, turn, 64), kEventsOfATurn);
  }
}

TEST(TurnShares, AFloodDoesNotReachAnotherTenant) {
  TurnShares turns(kEventsOfATurn);
  EXPECT_EQ(take_all(&turns, 1, 1, 1, 1), kEventsOfATurn);
  // In the same turn: its half, though the other one has had everything.
  EXPECT_EQ(take_all(&turns, 2, 1, 1, 1), kEventsOfATurn / 2);
  EXPECT_EQ(take_all(&turns, 1, 1, 2, 1), kEventsOfATurn / 2);
  EXPECT_EQ(take_all(&turns, 2, 1, 2, 1), kEventsOfATurn / 2);
  // It is gone: nothing of the turn is kept for it after the next one.
  take_all(&turns, 1, 1, 3, 1);
  EXPECT_EQ(take_all(&turns, 1, 1, 4, 1), kEventsOfATurn);
}

// Tenants that always want more: each gets its share by weight of every turn but the first, in
// whatever order they come, but for what is not divided; and those that come and go never wait.
TEST(TurnShares, AreByWeight) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    test::Prng prng(seed);
    TurnShares turns(kEventsOfATurn);
    const auto tenants = static_cast<uint32_t>(2 + prng.below(6));
    std::vector<uint32_t> weights, order;
    double all = 0;
    for (uint32_t i = 0; i < tenants; ++i) {
      weights.push_back(static_cast<uint32_t>(prng.between(1, 20)));
      order.push_back(i);
      all += weights[i];
    }
    for (int64_t turn = 1; turn <= 20; ++turn) {
      prng.shuffle(order);
      int64_t given = 0;
      for (const uint32_t tenant : order) {
        const int64_t piece = prng.between(1, 50);
        const int64_t taken = take_all(&turns, tenant, weights[tenant], turn, piece);
        given += taken;
        if (turn == 1) continue;
        EXPECT_NEAR(static_cast<double>(taken), kEventsOfATurn * weights[tenant] / all, 1)
            << "seed " << seed;
      }
      if (turn > 1) {
        EXPECT_LE(given, kEventsOfATurn);
      }
    }
  }
}

TEST(TurnShares, TheSmallestShareIsOneEvent) {
  TurnShares turns(10);
  for (int64_t turn = 1; turn <= 3; ++turn) {
    for (uint32_t tenant = 0; tenant < 50; ++tenant) {
      EXPECT_GE(take_all(&turns, tenant, tenant == 0 ? 1'000 : 1, turn, 1), 1);
    }
  }
}

// What is handed out together is not divided: it is paid for in no other turn, and never negative.
TEST(TurnShares, MoreThanTheRoomLeavesNone) {
  TurnShares turns(10);
  turns.spend(TenantId(1), 500);
  EXPECT_EQ(turns.room(TenantId(1), 1, -1), 0);
  EXPECT_EQ(turns.room(TenantId(1), 1, 1), 10);
}

}  // namespace
}  // namespace headrace::core

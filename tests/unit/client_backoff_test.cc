#include <gtest/gtest.h>

#include "client/backoff.h"

namespace headrace::client {
namespace {

TEST(Backoff, StaysInTheUpperHalfOfADoublingCeiling) {
  Backoff backoff(20, 1000, 7);
  int64_t ceiling = 20;
  for (int attempt = 0; attempt < 40; ++attempt) {
    const int64_t delay = backoff.next_ms();
    EXPECT_GE(delay, ceiling / 2) << "attempt " << attempt;
    EXPECT_LE(delay, ceiling) << "attempt " << attempt;
    ceiling = std::min<int64_t>(ceiling * 2, 1000);
  }
  EXPECT_EQ(backoff.attempts(), 40);
}

TEST(Backoff, StartsAgainAfterASuccess) {
  Backoff backoff(20, 1000, 7);
  for (int i = 0; i < 10; ++i) backoff.next_ms();
  backoff.reset();
  EXPECT_LE(backoff.next_ms(), 20);
}

TEST(Backoff, TwoClientsDrift) {
  Backoff one(1000, 60'000, 1);
  Backoff other(1000, 60'000, 2);
  int same = 0;
  for (int i = 0; i < 20; ++i) same += one.next_ms() == other.next_ms() ? 1 : 0;
  EXPECT_LT(same, 10);
}

}  // namespace
}  // namespace headrace::client

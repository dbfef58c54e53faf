// A bound shared by tenants, against what the header promises.
#include "storage/fair_bound.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/prng.h"

namespace headrace {
namespace {

void fill(FairBound* bound, uint32_t tenant) {
  while (bound->admits(TenantId(tenant))) bound->add(TenantId(tenant));
}

TEST(FairBound, OneTenantHasHalfAndTheNextOneIsServed) {
  FairBound bound(100);
  fill(&bound, 1);
  EXPECT_EQ(bound.of(TenantId(1)), 50u);
  EXPECT_TRUE(bound.admits(TenantId(2)));
  fill(&bound, 2);
  EXPECT_EQ(bound.of(TenantId(2)), 25u);
  EXPECT_TRUE(bound.admits(TenantId(3)));
  EXPECT_FALSE(bound.admits(TenantId(1)));
  for (int i = 0; i < 50; ++i) bound.remove(TenantId(1));
  EXPECT_EQ(bound.all(), 25u);
  EXPECT_EQ(bound.of(TenantId(1)), 0u);
  bound.remove(TenantId(1));  // nothing is left of it
  EXPECT_EQ(bound.all(), 25u);
}

TEST(FairBound, TheBrokersOwnMayUseAllOfIt) {
  FairBound bound(10);
  fill(&bound, kNodeTenant.value());
  EXPECT_EQ(bound.all(), 10u);
}

TEST(FairBound, OfOnePlaceAdmitsOne) {
  FairBound bound(1);
  EXPECT_TRUE(bound.admits(TenantId(1)));
  bound.add(TenantId(1));
  EXPECT_FALSE(bound.admits(TenantId(2)));
}

// n tenants that come and go and want all they can get: in the end each has 1/(n + 1), as much is
// free, and a tenant without any is never refused on the way.
TEST(FairBound, GreedyTenantsHaveEqualParts) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::Prng prng(seed);
    const size_t most = 1'000 + prng.below(1'000);
    FairBound bound(most);
    const auto tenants = static_cast<uint32_t>(1 + prng.below(9));
    for (int step = 0; step < 200'000; ++step) {
      const TenantId tenant(1 + static_cast<uint32_t>(prng.below(tenants)));
      if (bound.of(tenant) == 0) {
        ASSERT_TRUE(bound.admits(tenant)) << "seed " << seed;
      }
      if (step > 100'000 ? prng.chance(0.02) : prng.chance(0.3)) {
        bound.remove(tenant);
      } else if (bound.admits(tenant)) {
        bound.add(tenant);
      }
      ASSERT_LE(bound.all(), most);
    }
    const double part = static_cast<double>(most) / (tenants + 1);
    for (uint32_t i = 1; i <= tenants; ++i) {
      EXPECT_NEAR(static_cast<double>(bound.of(TenantId(i))), part, part * 0.1) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace headrace

// Months, dedicated and pooled tenants, drops: what the Store promises about families.
#include "storage/rocks/families.h"

#include <gtest/gtest.h>

#include "tests/support/rocks_harness.h"

namespace headrace::storage {
namespace {

using test::commit;
using test::create_month;
using test::drop_month;
using test::open_store;
using test::read;
using test::small_rocks_options;
using test::TemporaryDirectory;
using test::TestSink;

constexpr Month kMay{202605};
constexpr Month kJune{202606};
constexpr TenantId kPooledTenant{7};
constexpr TenantId kDedicatedTenant{8};

Place log_place(Month month, TenantId tenant) {
  return {Table::log, month, tenant};
}
Key batch_key(TenantId tenant, int64_t offset) {
  return log_key(LogKind::batch, {tenant, TopicId(1), SliceId(0), PartitionId(0)}, Offset(offset));
}

class FamiliesTest : public ::testing::Test {
 protected:
  void open() { store_ = open_store(options_); }
  Status write(Month month, TenantId tenant, int64_t offset, std::string value) {
    WriteSet set;
    set.shard = ShardId(3);
    set.sequence = ++sequence_;
    set.durability = Durability::durable;
    set.put(log_place(month, tenant), batch_key(tenant, offset), std::move(value));
    return commit(*store_, sink_, std::move(set));
  }
  test::ReadResult get(Month month, TenantId tenant, int64_t offset) {
    return read(*store_, sink_, log_place(month, tenant), batch_key(tenant, offset));
  }

  TemporaryDirectory dir_;
  RocksOptions options_ = small_rocks_options(dir_.path());
  TestSink sink_;
  std::unique_ptr<RocksStore> store_;
  uint64_t sequence_ = 0;
};

TEST(FamilyNames, RoundTripAndRefuseOthers) {
  for (const LogFamily& family : {LogFamily{kMay, kPooled}, LogFamily{kJune, kDedicatedTenant}}) {
    EXPECT_EQ(parse_log_family_name(log_family_name(family)), family);
  }
  EXPECT_EQ(log_family_name({kMay, kPooled}), "log-202605");
  EXPECT_EQ(log_family_name({kMay, TenantId(42)}), "log-202605-42");
  for (const char* name : {"", "log-", "log-x", "log-202605-", "log-202605-0", "log-202605-4x",
                           "state", "log-202605-99999999999"}) {
    EXPECT_FALSE(parse_log_family_name(name)) << name;
  }
}

TEST_F(FamiliesTest, FixedFamiliesExistFromTheFirstOpen) {
  open();
  EXPECT_EQ(store_->info().families, kTableCount);
  for (size_t i = 1; i < kTableCount; ++i) {
    const auto result = read(*store_, sink_, {static_cast<Table>(i)}, tenant_prefix(kPooledTenant));
    EXPECT_EQ(result.status, Status::ok);
    EXPECT_FALSE(result.found);
  }
}

TEST_F(FamiliesTest, MonthThatWasNeverMadeIsGone) {
  open();
  EXPECT_EQ(get(kMay, kPooledTenant, 0).status, Status::gone);
}

TEST_F(FamiliesTest, RowsSurviveReopenInPooledAndDedicatedFamilies) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  EXPECT_EQ(store_->info().families, kTableCount + 2);
  const std::string large(70'000, 'x');  // lives in a blob file once it is flushed
  ASSERT_EQ(write(kMay, kPooledTenant, 0, large), Status::ok);
  ASSERT_EQ(write(kMay, kDedicatedTenant, 0, "mine"), Status::ok);
  store_.reset();
  open();
  EXPECT_EQ(store_->info().families, kTableCount + 2);
  EXPECT_EQ(get(kMay, kPooledTenant, 0).value, large);
  EXPECT_EQ(get(kMay, kDedicatedTenant, 0).value, "mine");
}

TEST_F(FamiliesTest, CreateIsIdempotent) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  ASSERT_EQ(write(kMay, kDedicatedTenant, 0, "a"), Status::ok);
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  EXPECT_EQ(store_->info().families, kTableCount + 2);
  EXPECT_EQ(get(kMay, kDedicatedTenant, 0).value, "a");
}

TEST_F(FamiliesTest, TenantWithPooledRowsStaysPooled) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay), Status::ok);
  ASSERT_EQ(write(kMay, kPooledTenant, 0, "early"), Status::ok);
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kPooledTenant}), Status::ok);
  EXPECT_EQ(store_->info().families, kTableCount + 1);
  EXPECT_EQ(get(kMay, kPooledTenant, 0).value, "early");
}

TEST_F(FamiliesTest, BudgetUsedUpMeansPooled) {
  options_.max_families = kTableCount + 2;
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay, {TenantId(1), TenantId(2), TenantId(3)}),
            Status::ok);
  EXPECT_EQ(store_->info().families, kTableCount + 2);
  ASSERT_EQ(write(kMay, TenantId(3), 0, "pooled"), Status::ok);
  EXPECT_EQ(get(kMay, TenantId(3), 0).value, "pooled");
}

TEST_F(FamiliesTest, DroppingADedicatedMonthTouchesNobodyElse) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  ASSERT_EQ(create_month(*store_, sink_, kJune, {kDedicatedTenant}), Status::ok);
  ASSERT_EQ(write(kMay, kDedicatedTenant, 0, "may"), Status::ok);
  ASSERT_EQ(write(kMay, kPooledTenant, 0, "other"), Status::ok);
  ASSERT_EQ(write(kJune, kDedicatedTenant, 1, "june"), Status::ok);
  ASSERT_EQ(drop_month(*store_, sink_, kMay, kDedicatedTenant), Status::ok);
  EXPECT_FALSE(get(kMay, kDedicatedTenant, 0).found);
  EXPECT_EQ(get(kMay, kPooledTenant, 0).value, "other");
  EXPECT_EQ(get(kJune, kDedicatedTenant, 1).value, "june");
  // Repeated after a crash between the drop and its receipt.
  EXPECT_EQ(drop_month(*store_, sink_, kMay, kDedicatedTenant), Status::ok);
  store_.reset();
  open();
  EXPECT_FALSE(get(kMay, kDedicatedTenant, 0).found);
  EXPECT_EQ(get(kMay, kPooledTenant, 0).value, "other");
}

TEST_F(FamiliesTest, DroppingAPooledMonthRemovesOneTenantsRange) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay), Status::ok);
  for (const uint32_t tenant : {6u, 7u, 8u}) {
    ASSERT_EQ(write(kMay, TenantId(tenant), 0, std::string(2'000, 'a')), Status::ok);
  }
  ASSERT_EQ(drop_month(*store_, sink_, kMay, kPooledTenant), Status::ok);
  store_.reset();
  open();
  EXPECT_FALSE(get(kMay, TenantId(7), 0).found);
  EXPECT_TRUE(get(kMay, TenantId(6), 0).found);
  EXPECT_TRUE(get(kMay, TenantId(8), 0).found);
}

TEST_F(FamiliesTest, EmptyOldMonthGoesAtTheNextOpen) {
  open();
  for (const uint32_t month : {202604u, 202605u, 202606u}) {
    ASSERT_EQ(create_month(*store_, sink_, Month(month)), Status::ok);
  }
  ASSERT_EQ(write(Month(202604), kPooledTenant, 0, "x"), Status::ok);
  ASSERT_EQ(drop_month(*store_, sink_, Month(202604), kPooledTenant), Status::ok);
  store_.reset();
  open();
  EXPECT_EQ(store_->info().families, kTableCount + 2);
  EXPECT_EQ(get(Month(202604), kPooledTenant, 0).status, Status::gone);
}

TEST_F(FamiliesTest, MonthMadeAgainAfterItsDropStartsEmpty) {
  open();
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  ASSERT_EQ(write(kMay, kDedicatedTenant, 0, "old"), Status::ok);
  ASSERT_EQ(drop_month(*store_, sink_, kMay, kDedicatedTenant), Status::ok);
  ASSERT_EQ(create_month(*store_, sink_, kMay, {kDedicatedTenant}), Status::ok);
  EXPECT_FALSE(get(kMay, kDedicatedTenant, 0).found);
  ASSERT_EQ(write(kMay, kDedicatedTenant, 1, "new"), Status::ok);
  EXPECT_EQ(get(kMay, kDedicatedTenant, 1).value, "new");
}

TEST_F(FamiliesTest, WritingToADroppedMonthIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        open();
        create_month(*store_, sink_, kMay, {kDedicatedTenant});
        drop_month(*store_, sink_, kMay, kDedicatedTenant);
        write(kMay, kDedicatedTenant, 0, "late");
      },
      "check failed: family != nullptr");
}

}  // namespace
}  // namespace headrace::storage

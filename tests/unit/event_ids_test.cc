#include "broker/core/event_ids.h"

#include <gtest/gtest.h>

#include "storage/batch.h"
#include "storage/dedup_row.h"

namespace headrace::core {
namespace {

const PartitionKey kDedupPartition{TenantId(1), TopicId(2), SliceId(0), PartitionId(3)};
using Kind = EventIds::Verdict::Kind;

IdHash hash(const std::string& id) {
  return storage::id_hash(id);
}
EventIds::Original at(int64_t offset, int64_t time_us, uint64_t sequence = 0) {
  return {Offset(offset), time_us, Epoch(1), sequence};
}

class EventIdsTest : public testing::Test {
 protected:
  // The ids of a publish; "" has none.
  EventIds::Verdict check(const std::vector<std::string>& ids, int64_t now_us = 50) {
    std::vector<EventId> present;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!ids[i].empty()) present.push_back({hash(ids[i]), static_cast<uint32_t>(i), ids[i]});
    }
    return ids_.check(present, ids.size(), now_us);
  }

  EventIds ids_{kDedupPartition, {.window_us = 100, .max_ids = 3}};
};

TEST_F(EventIdsTest, TheWindowIsOpenAtItsEnd) {
  ids_.add(hash("a"), at(7, 10));
  EXPECT_NE(ids_.find(hash("a"), 109), nullptr);
  EXPECT_EQ(ids_.find(hash("a"), 110), nullptr);
  EXPECT_EQ(ids_.size(), 0u);
}

TEST_F(EventIdsTest, TheOldestIsForgottenWhenThereAreTooMany) {
  for (int i = 0; i < 4; ++i) ids_.add(hash(std::to_string(i)), at(i, 10 + i));
  EXPECT_EQ(ids_.find(hash("0"), 20), nullptr);
  EXPECT_EQ(ids_.find(hash("3"), 20)->offset, Offset(3));
  EXPECT_EQ(ids_.size(), 3u);
}

// Appended again after its window: the old time must not take the new one along.
TEST_F(EventIdsTest, AnIdThatCameAgainIsKnownForItsNewWindow) {
  ids_.add(hash("a"), at(0, 10));
  ids_.add(hash("a"), at(5, 60));
  EXPECT_EQ(ids_.find(hash("a"), 120)->offset, Offset(5));
  EXPECT_EQ(ids_.find(hash("a"), 160), nullptr);
}

TEST_F(EventIdsTest, ABatchIsFreshRepeatedOrRefused) {
  ids_.add(hash("a"), at(4, 10, 1));
  ids_.add(hash("b"), at(5, 10, 2));
  ids_.add(hash("c"), at(9, 20, 3));
  EXPECT_EQ(check({"x", "", "y"}).kind, Kind::fresh);
  EXPECT_EQ(check({}).kind, Kind::fresh);
  const auto repeated = check({"a", "b"});
  EXPECT_EQ(repeated.kind, Kind::repeated);
  EXPECT_EQ(repeated.first.offset, Offset(4));
  EXPECT_EQ(repeated.first.write_sequence, 2u);  // the newest of them
  for (const auto& mixed : std::vector<std::vector<std::string>>{
           {"a", "x"}, {"x", "a"}, {"b", "a"}, {"b", "c"}, {"a", ""}, {"", "a"}, {"x", "x"}}) {
    EXPECT_EQ(check(mixed).kind, Kind::refused) << mixed[0] << mixed[1];
  }
  EXPECT_NE(check({"x", "b"}).error.message().find("'b'"), std::string::npos);
  EXPECT_EQ(check({"a", "b"}, 110).kind, Kind::fresh);
}

TEST_F(EventIdsTest, RowsAreReadBack) {
  ids_.add(hash("a"), at(4, 10));
  ids_.add(hash("b"), at(6, 10));
  storage::WriteSet set;
  ids_.write(Offset(4), 10, &set);
  ids_.write(Offset(7), 10, &set);  // nothing new: no row
  ASSERT_EQ(set.mutations().size(), 1u);
  const auto& row = set.mutations().front();
  EventIds again(kDedupPartition, {.window_us = 100, .max_ids = 3});
  ASSERT_TRUE(again.load(row.key.view(), row.value));
  EXPECT_EQ(again.find(hash("b"), 50)->offset, Offset(6));
  EXPECT_FALSE(again.load(row.key.view(), row.value + "x"));
  EXPECT_FALSE(again.load("x", row.value));
  storage::WriteSet nothing;
  again.write(Offset(8), 50, &nothing);
  EXPECT_TRUE(nothing.empty());
}

TEST_F(EventIdsTest, RowsGoByRangeNowAndThen) {
  EXPECT_FALSE(ids_.anything_to_expire(1'000));
  storage::WriteSet set;
  for (int i = 0; i < 3; ++i) {
    ids_.add(hash(std::to_string(i)), at(i, 10 + 50 * i));
    ids_.write(Offset(i), 10 + 50 * i, &set);
  }
  EXPECT_FALSE(ids_.anything_to_expire(111));
  ASSERT_TRUE(ids_.anything_to_expire(135));
  storage::WriteSet expiry;
  ids_.expire(135, &expiry);
  ASSERT_EQ(expiry.mutations().size(), 1u);
  EXPECT_EQ(expiry.mutations().front().op, storage::Op::remove_range);
  EXPECT_EQ(expiry.mutations().front().end, storage::dedup_key(kDedupPartition, 35, Offset(0)));
  EXPECT_FALSE(ids_.anything_to_expire(135));
  EXPECT_EQ(ids_.size(), 2u);
}

TEST(EventIds, OffUnlessThereIsAWindow) {
  EXPECT_FALSE(EventIds(kDedupPartition, {}).on());
}

}  // namespace
}  // namespace headrace::core

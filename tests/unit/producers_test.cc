#include "broker/core/producers.h"

#include <gtest/gtest.h>

#include "broker/limits.h"
#include "storage/keys.h"

namespace headrace::core {
namespace {

using Kind = Producers::Verdict::Kind;

const PartitionKey kProducerPartition{TenantId(1), TopicId(2), SliceId(0), PartitionId(0)};

ProducerStamp stamp(int32_t first, int32_t count, int16_t epoch = 0, int64_t id = 7) {
  return {ProducerId(id), epoch, first, count};
}

class ProducersTest : public testing::Test {
 protected:
  void record(const ProducerStamp& what, int64_t offset, int64_t time_us = 1'000) {
    producers_.record(what, {Offset(offset), time_us, Epoch(3), ++sequence_, time_us},
                      kProducerPartition, &writes_);
  }
  Kind check(const ProducerStamp& what) { return producers_.check(what).kind; }
  ErrorCode refusal(const ProducerStamp& what) { return producers_.check(what).error.code; }

  Producers producers_;
  storage::WriteSet writes_;
  uint64_t sequence_ = 0;
};

TEST_F(ProducersTest, TheNextRangeIsFreshAndTheSameIsADuplicate) {
  EXPECT_EQ(check(stamp(0, 3)), Kind::fresh);
  record(stamp(0, 3), 10);
  EXPECT_EQ(check(stamp(3, 1)), Kind::fresh);
  const auto verdict = producers_.check(stamp(0, 3));
  EXPECT_EQ(verdict.kind, Kind::duplicate);
  EXPECT_EQ(verdict.base_offset, Offset(10));
  EXPECT_EQ(verdict.epoch, Epoch(3));
  EXPECT_EQ(verdict.write_sequence, 1u);
}

// A later sequence than 0 may have overtaken a refused 0, or its original may be forgotten.
TEST_F(ProducersTest, TheUnknownBeginsWithZero) {
  EXPECT_EQ(refusal(stamp(1, 1)), ErrorCode::unknown_producer);
  EXPECT_EQ(refusal(stamp(1, 1, 5)), ErrorCode::unknown_producer);
  EXPECT_EQ(check(stamp(0, 1, 5)), Kind::fresh);
  record(stamp(0, 1), 0);
  EXPECT_EQ(refusal(stamp(3, 1, 0, 8)), ErrorCode::unknown_producer) << "another one";
  EXPECT_EQ(check(stamp(1, 1)), Kind::fresh);
}

TEST_F(ProducersTest, GapsAndTheForgottenAreRefused) {
  record(stamp(0, 3), 0);
  EXPECT_EQ(refusal(stamp(4, 1)), ErrorCode::out_of_order_sequence);
  EXPECT_EQ(refusal(stamp(0, 2)), ErrorCode::duplicate_sequence);
  for (int32_t i = 0; i < 5; ++i) record(stamp(3 + i, 1), 3 + i);
  EXPECT_EQ(refusal(stamp(0, 3)), ErrorCode::duplicate_sequence);
  EXPECT_EQ(check(stamp(3, 1)), Kind::duplicate);
}

TEST_F(ProducersTest, ANewEpochBeginsWithZeroAndFencesTheOld) {
  record(stamp(0, 3), 0);
  EXPECT_EQ(refusal(stamp(5, 1, 1)), ErrorCode::out_of_order_sequence);
  EXPECT_EQ(check(stamp(0, 1, 1)), Kind::fresh);
  record(stamp(0, 1, 1), 3);
  EXPECT_EQ(refusal(stamp(3, 1, 0)), ErrorCode::producer_fenced);
}

TEST_F(ProducersTest, SequencesWrap) {
  record(stamp(INT32_MAX - 1, 2), 0);
  EXPECT_EQ(check(stamp(0, 4)), Kind::fresh);
  record(stamp(0, 4), 2);
  EXPECT_EQ(check(stamp(INT32_MAX - 1, 2)), Kind::duplicate);
  EXPECT_EQ(check(stamp(4, 1)), Kind::fresh);
}

TEST_F(ProducersTest, RowsBringEverythingBack) {
  record(stamp(0, 3), 10);
  record(stamp(3, 2), 13);
  ASSERT_EQ(writes_.mutations().size(), 1u);
  const auto& row = writes_.mutations().front();
  Producers loaded;
  loaded.load(row.key.view(), row.value);
  const auto verdict = loaded.check(stamp(0, 3));
  EXPECT_EQ(verdict.kind, Kind::duplicate);
  EXPECT_EQ(verdict.base_offset, Offset(10));
  EXPECT_EQ(verdict.epoch, Epoch(3));
  EXPECT_EQ(verdict.write_sequence, 0u);
  EXPECT_EQ(loaded.check(stamp(5, 1)).kind, Kind::fresh);
  loaded.load("short", row.value);
  loaded.load(row.key.view(), "damaged");
  EXPECT_EQ(loaded.size(), 1u);
}

TEST_F(ProducersTest, TheIdleAreForgotten) {
  record(stamp(0, 1, 0, 1), 0, 1'000);
  record(stamp(0, 1, 0, 2), 1, 2'000);
  EXPECT_FALSE(producers_.anything_to_expire(1'000 + limits::kProducerIdleUs));
  EXPECT_TRUE(producers_.anything_to_expire(1'001 + limits::kProducerIdleUs));
  writes_.clear();
  producers_.expire(1'001 + limits::kProducerIdleUs, kProducerPartition, &writes_);
  EXPECT_EQ(producers_.size(), 1u);
  EXPECT_EQ(refusal(stamp(1, 1, 0, 1)), ErrorCode::unknown_producer);
  EXPECT_EQ(check(stamp(0, 1, 1, 1)), Kind::fresh) << "begins anew";
  ASSERT_EQ(writes_.mutations().size(), 1u);
  EXPECT_EQ(writes_.mutations()[0].op, storage::Op::remove);
  EXPECT_EQ(writes_.mutations()[0].key, storage::producer_key(kProducerPartition, ProducerId(1)));
}

TEST_F(ProducersTest, TheLongestIdleGoesWhenThereAreTooMany) {
  for (size_t i = 0; i <= limits::kProducersPerPartition; ++i) {
    record(stamp(0, 1, 0, static_cast<int64_t>(i)), 0, static_cast<int64_t>(i));
  }
  EXPECT_EQ(producers_.size(), limits::kProducersPerPartition);
  EXPECT_EQ(check(stamp(0, 1, 0, 0)), Kind::fresh);
  EXPECT_EQ(check(stamp(0, 1, 0, 1)), Kind::duplicate);
}

}  // namespace
}  // namespace headrace::core

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "bench/batch_pool.h"
#include "storage/batch.h"

namespace headrace::bench {
namespace {

TEST(BatchPool, BatchesFillTheirSizeAndDiffer) {
  BatchPool pool(3, 100, 64 << 10, 1);
  std::set<std::string> distinct;
  for (size_t i = 0; i < pool.size(); ++i) {
    const auto bytes = pool.stamp(i, 1'700'000'000'000);
    EXPECT_LE(bytes.size(), 64u << 10);
    EXPECT_GT(bytes.size(), (64u << 10) - 200);
    distinct.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  EXPECT_EQ(distinct.size(), 3u);
}

TEST(BatchPool, AStampedBatchIsValidAndHasItsTime) {
  BatchPool pool(1, 100, 64 << 10, 1);
  for (const int64_t now_ms : {int64_t{1'700'000'000'000}, int64_t{1'700'000'000'123}}) {
    const auto bytes = pool.stamp(0, now_ms);
    storage::BatchHeader header;
    ASSERT_EQ(storage::check_header(bytes, &header), storage::BatchError::ok);
    EXPECT_EQ(header.record_count, static_cast<int32_t>(pool.events_per_batch()));
    EXPECT_EQ(header.max_timestamp_ms, now_ms);
    storage::Summary summary;
    ASSERT_EQ(storage::walk(bytes.subspan(storage::kBatchHeaderSize), header, &summary),
              storage::BatchError::ok);
    ASSERT_EQ(summary.types.size(), 1u);
    EXPECT_EQ(summary.types[0].type, kEventType);
    storage::RecordReader reader(bytes.subspan(storage::kBatchHeaderSize), header);
    storage::RecordView record;
    ASSERT_TRUE(reader.next(&record));
    EXPECT_EQ(record.timestamp_ms, now_ms);
    EXPECT_EQ(record.value->size(), 100u);
  }
}

TEST(BatchPool, AnEventLargerThanTheBatchIsABatch) {
  BatchPool pool(1, 4096, 1, 1);
  EXPECT_EQ(pool.events_per_batch(), 1u);
}

}  // namespace
}  // namespace headrace::bench

#include <gtest/gtest.h>

#include <string>

#include "client/received.h"

namespace headrace::client {
namespace {

SharedBytes batch_of(int events, int64_t base_offset, storage::Codec codec) {
  storage::BatchBuilder builder;
  for (int i = 0; i < events; ++i) {
    const std::string value = "value-" + std::to_string(i);
    storage::EventFields event;
    event.value = value;
    event.timestamp_ms = 1'700'000'000'000 + i;
    builder.add(event);
  }
  SharedBytes bytes = builder.finish(codec);
  storage::patch_batch(bytes.mutable_data(), Offset(base_offset), Epoch(3));
  return bytes;
}

class Received : public testing::TestWithParam<storage::Codec> {};

TEST_P(Received, EventsHaveTheirPlaceAndTime) {
  const auto batch = receive_batch(4, batch_of(10, 100, GetParam()), 42);
  ASSERT_TRUE(batch.ok()) << batch.error.message;
  EXPECT_EQ(batch->next_offset(), 110);
  EventReader reader(batch.value);
  ReceivedEvent event;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(reader.next(&event)) << reader.error().message;
    EXPECT_EQ(event.partition, 4u);
    EXPECT_EQ(event.offset, 100 + i);
    EXPECT_EQ(event.epoch, 3u);
    EXPECT_EQ(event.append_time_us, 42);
    EXPECT_EQ(event.record.timestamp_ms, 1'700'000'000'000 + i);
    EXPECT_EQ(event.record.value, "value-" + std::to_string(i));
  }
  EXPECT_FALSE(reader.next(&event));
  EXPECT_FALSE(reader.error());
}

TEST_P(Received, OnlyTheAcquiredRangeIsDelivered) {
  auto batch = receive_batch(0, batch_of(10, 100, GetParam()), 0);
  ASSERT_TRUE(batch.ok());
  batch->first_offset = 103;
  batch->last_offset = 105;
  EventReader reader(batch.value);
  ReceivedEvent event;
  std::vector<int64_t> offsets;
  while (reader.next(&event)) offsets.push_back(event.offset);
  EXPECT_EQ(offsets, (std::vector<int64_t>{103, 104, 105}));
  EXPECT_FALSE(reader.error());
}

INSTANTIATE_TEST_SUITE_P(Codecs, Received,
                         testing::Values(storage::Codec::none, storage::Codec::gzip,
                                         storage::Codec::snappy, storage::Codec::lz4,
                                         storage::Codec::zstd),
                         [](const auto& each) { return std::string(to_string(each.param)); });

TEST(ReceivedBatch, DamageIsAnError) {
  SharedBytes bytes = batch_of(3, 0, storage::Codec::none);
  bytes.mutable_data()[bytes.size() - 2] ^= std::byte{1};
  const auto batch = receive_batch(7, bytes, 0);
  EXPECT_EQ(batch.error.code, kCodeBadReply);
  EXPECT_NE(batch.error.message.find("partition 7"), std::string::npos);
  EXPECT_FALSE(receive_batch(7, SharedBytes::copy_of("short"), 0).ok());
}

}  // namespace
}  // namespace headrace::client

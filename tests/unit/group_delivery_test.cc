#include "broker/native/group_delivery.h"

#include <gtest/gtest.h>

#include <memory>

#include "net/native/frame.h"
#include "storage/batch.h"

namespace headrace::native {
namespace {

core::StoredBatch batch_of(int64_t base_offset, int count, size_t value_size = 4,
                           storage::Codec codec = storage::Codec::none) {
  storage::BatchBuilder builder;
  for (int i = 0; i < count; ++i) {
    const std::string value(value_size, static_cast<char>('a' + i % 26));
    const std::string key = "k" + std::to_string(i);
    const storage::HeaderField header{"ce_type", "t.u"};
    storage::EventFields fields;
    fields.key = key;
    fields.value = value;
    fields.timestamp_ms = 1'000 + i;
    fields.headers = {&header, 1};
    builder.add(fields);
  }
  SharedBytes bytes = builder.finish(codec);
  storage::patch_batch(bytes.mutable_data(), Offset(base_offset), Epoch(7));
  return {std::move(bytes), 99};
}

std::unique_ptr<core::Acquire> acquired(std::vector<core::StoredBatch> batches,
                                        std::vector<core::AcquiredRange> ranges) {
  auto request = std::make_unique<core::Acquire>(core::Access::anonymous());
  request->partition = PartitionId(3);
  request->lane = LaneId(2);
  request->batches = std::move(batches);
  request->acquired = std::move(ranges);
  request->ack_deadline_us = 30'000'000;
  return request;
}

core::AcquiredRange range(int64_t first, int64_t last, uint32_t attempt, uint32_t batch) {
  return {Offset(first), Offset(last), attempt, batch};
}

TEST(GroupDelivery, DenseBatchesTravelUntouched) {
  const auto request =
      acquired({batch_of(10, 4), batch_of(14, 2)}, {range(10, 11, 1, 0), range(14, 15, 1, 1)});
  const GroupFrames out = make_group_frames(5, *request, false);
  ASSERT_EQ(out.frames.size(), 1u);
  const auto& message = out.frames[0].message;
  EXPECT_EQ(message.subscription(), 5u);
  EXPECT_EQ(message.partition(), 3u);
  EXPECT_EQ(message.lane(), 2u);
  EXPECT_EQ(message.deadline_ms(), 30'000);
  ASSERT_EQ(message.batch_sizes_size(), 2);
  ASSERT_EQ(out.frames[0].payload.size(), 2u);
  EXPECT_EQ(out.frames[0].payload[0].data(), request->batches[0].bytes.data());
  EXPECT_EQ(message.append_times_us(1), 99);
  ASSERT_EQ(message.acquired_size(), 2);
  EXPECT_EQ(message.acquired(0).last_offset(), 11);
  EXPECT_EQ(message.acquired(1).batch(), 1u);
  EXPECT_EQ(message.events_size(), 0);
}

TEST(GroupDelivery, SparseBatchesBecomeEventsInOrder) {
  const auto request = acquired(
      {batch_of(0, 2), batch_of(100, 9), batch_of(200, 1)},
      {range(0, 1, 1, 0), range(108, 108, 3, 1), range(102, 103, 2, 1), range(200, 200, 1, 2)});
  const GroupFrames out = make_group_frames(1, *request, false);
  ASSERT_EQ(out.frames.size(), 3u);  // whole, decoded, whole
  EXPECT_EQ(out.frames[0].message.batch_sizes_size(), 1);
  EXPECT_EQ(out.frames[2].message.batch_sizes_size(), 1);
  const auto& message = out.frames[1].message;
  ASSERT_EQ(message.events_size(), 3);
  ASSERT_EQ(message.acquired_size(), 3);
  EXPECT_EQ(message.events(0).offset(), 102);
  EXPECT_EQ(message.events(0).key(), "k2");
  EXPECT_EQ(message.events(0).epoch(), 7u);
  EXPECT_EQ(message.events(0).timestamp_ms(), 1'002);
  EXPECT_EQ(message.events(0).headers(0).value(), "t.u");
  EXPECT_EQ(message.events(2).offset(), 108);
  EXPECT_EQ(message.acquired(2).attempt(), 3u);
  EXPECT_EQ(message.acquired(2).first_offset(), 108);
  EXPECT_EQ(message.acquired(2).batch(), 2u);
  ASSERT_EQ(out.frames[1].payload.size(), 1u);
  EXPECT_EQ(out.frames[1].payload[0].view(), "ccccddddiiii");
}

TEST(GroupDelivery, ThinClientsGetEventsOnly) {
  const auto request = acquired({batch_of(0, 3, 4, storage::Codec::lz4)}, {range(0, 2, 1, 0)});
  const GroupFrames out = make_group_frames(1, *request, true);
  ASSERT_EQ(out.frames.size(), 1u);
  EXPECT_EQ(out.frames[0].message.events_size(), 3);
  EXPECT_EQ(out.frames[0].message.batch_sizes_size(), 0);
}

TEST(GroupDelivery, WhatInflatesTooFarStaysWholeOrIsUndeliverable) {
  // 3 MiB of one letter: above what is inflated on the reactor.
  const auto request =
      acquired({batch_of(0, 30, 100'000, storage::Codec::zstd)}, {range(4, 5, 1, 0)});
  const GroupFrames whole = make_group_frames(1, *request, false);
  ASSERT_EQ(whole.frames.size(), 1u);
  EXPECT_EQ(whole.frames[0].message.batch_sizes_size(), 1);
  const GroupFrames thin = make_group_frames(1, *request, true);
  EXPECT_TRUE(thin.frames.empty());
  ASSERT_EQ(thin.undeliverable.size(), 1u);
  EXPECT_EQ(thin.undeliverable[0].range.first, Offset(4));
  EXPECT_FALSE(thin.undeliverable[0].why.empty());
}

TEST(GroupDelivery, ManyEventsAreSpreadOverFramesThatFit) {
  const auto request = acquired({batch_of(0, 40, 100'000)}, {range(0, 39, 1, 0)});
  const GroupFrames out = make_group_frames(1, *request, true);
  EXPECT_GT(out.frames.size(), 1u);
  int64_t next = 0;
  for (const auto& frame : out.frames) {
    size_t payload = 0;
    for (const auto& part : frame.payload) payload += part.size();
    EXPECT_LE(payload, net::native::kMaxPayloadSize);
    EXPECT_LE(frame.message.ByteSizeLong(), net::native::kMaxMessageSize);
    EXPECT_EQ(frame.message.events_size(), frame.message.acquired_size());
    for (const auto& event : frame.message.events()) EXPECT_EQ(event.offset(), next++);
  }
  EXPECT_EQ(next, 40);
}

}  // namespace
}  // namespace headrace::native

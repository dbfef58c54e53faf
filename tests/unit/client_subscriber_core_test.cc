#include <gtest/gtest.h>

#include "client/admin.h"
#include "client/subscriber_core.h"

namespace headrace::client {
namespace {

SharedBytes batch_of(int64_t base_offset, int count) {
  storage::BatchBuilder builder;
  for (int i = 0; i < count; ++i) {
    const std::string value = std::to_string(base_offset + i);
    storage::EventFields fields;
    fields.value = value;
    builder.add(fields);
  }
  SharedBytes bytes = builder.finish();
  storage::patch_batch(bytes.mutable_data(), Offset(base_offset), Epoch(1));
  return bytes;
}

void add_range(proto::GroupDelivery* delivery, int64_t first, int64_t last, uint32_t attempt,
               uint32_t batch) {
  auto* range = delivery->add_acquired();
  range->set_first_offset(first);
  range->set_last_offset(last);
  range->set_attempt(attempt);
  range->set_batch(batch);
}

// A delivery of one batch of which [first, last] is acquired.
Error deliver(SubscriberCore* core, int64_t base, int count, int64_t first, int64_t last) {
  const SharedBytes bytes = batch_of(base, count);
  proto::GroupDelivery delivery;
  delivery.set_deadline_ms(10);
  delivery.add_batch_sizes(static_cast<uint32_t>(bytes.size()));
  add_range(&delivery, first, last, 1, 0);
  return core->on_delivery(delivery, bytes, 1'000);
}

std::vector<Delivered> all(SubscriberCore* core) {
  std::vector<Delivered> events;
  for (Delivered one; core->next(&one);) events.push_back(one);
  return events;
}

std::string text(const proto::Settle& message) {
  std::string line;
  for (const auto& outcome : message.outcomes()) {
    line += proto::Verdict_Name(outcome.verdict()) + " " + std::to_string(outcome.partition()) +
            ":" + std::to_string(outcome.first_offset()) + "-" +
            std::to_string(outcome.last_offset()) + "#" + std::to_string(outcome.attempt()) + " ";
  }
  return line;
}

proto::SettleOk ok_of(size_t count, uint32_t code = 0) {
  proto::SettleOk ok;
  for (size_t i = 0; i < count; ++i) ok.add_error_codes(code);
  return ok;
}

TEST(SubscriberCore, OnlyWhatIsAcquiredComesOut) {
  SubscriberCore core;
  core.on_subscribed();
  const SharedBytes first = batch_of(10, 6);
  const SharedBytes second = batch_of(3, 2);  // a retry: below the first
  SharedBytes payload =
      SharedBytes::copy_of(std::string(first.view()) + std::string(second.view()));
  proto::GroupDelivery delivery;
  delivery.set_partition(4);
  delivery.set_lane(2);
  delivery.set_deadline_ms(10);
  delivery.add_batch_sizes(static_cast<uint32_t>(first.size()));
  delivery.add_batch_sizes(static_cast<uint32_t>(second.size()));
  add_range(&delivery, 14, 14, 5, 0);
  add_range(&delivery, 11, 12, 1, 0);
  add_range(&delivery, 4, 4, 2, 1);
  ASSERT_FALSE(core.on_delivery(delivery, payload, 1'000));
  const auto events = all(&core);
  ASSERT_EQ(events.size(), 4u);
  std::string line;
  for (const auto& one : events) {
    EXPECT_EQ(one.event.partition, 4u);
    EXPECT_EQ(one.lane, 2u);
    EXPECT_EQ(one.deadline_us, 11'000);
    EXPECT_EQ(one.event.record.value, std::to_string(one.event.offset));
    line += std::to_string(one.event.offset) + "#" + std::to_string(one.attempt) + " ";
  }
  EXPECT_EQ(line, "11#1 12#1 14#5 4#2 ");
}

TEST(SubscriberCore, DecodedEventsComeOutAsBatchesDo) {
  SubscriberCore core;
  core.on_subscribed();
  proto::GroupDelivery delivery;
  for (int i = 0; i < 2; ++i) {
    auto* event = delivery.add_events();
    event->set_offset(100 + i);
    event->set_epoch(9);
    event->set_timestamp_ms(5);
    event->set_key("k");
    auto* header = event->add_headers();
    header->set_key("h");
    add_range(&delivery, 100 + i, 100 + i, 3, static_cast<uint32_t>(i));
  }
  delivery.mutable_events(1)->set_value_size(2);
  ASSERT_FALSE(core.on_delivery(delivery, SharedBytes::copy_of("vv"), 0));
  const auto events = all(&core);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[0].event.record.value);
  EXPECT_EQ(events[1].event.record.value, "vv");
  EXPECT_EQ(events[1].event.offset, 101);
  EXPECT_EQ(events[1].event.epoch, 9u);
  EXPECT_EQ(events[1].attempt, 3u);
  EXPECT_EQ(events[1].event.record.key, "k");
  EXPECT_EQ(events[1].event.record.header_count, 1);
}

TEST(SubscriberCore, WhatDoesNotFitTogetherIsAnError) {
  SubscriberCore core;
  core.on_subscribed();
  const SharedBytes bytes = batch_of(0, 1);
  proto::GroupDelivery delivery;
  delivery.add_batch_sizes(static_cast<uint32_t>(bytes.size() + 1));
  add_range(&delivery, 0, 0, 1, 0);
  EXPECT_EQ(core.on_delivery(delivery, bytes, 0).code, kCodeBadReply);
  delivery.set_batch_sizes(0, static_cast<uint32_t>(bytes.size()));
  delivery.mutable_acquired(0)->set_batch(1);
  EXPECT_EQ(core.on_delivery(delivery, bytes, 0).code, kCodeBadReply);
  EXPECT_FALSE(core.has_next());
}

TEST(SubscriberCore, ADamagedBatchGoesToTheDeadLetters) {
  SubscriberCore core;
  core.on_subscribed();
  std::string damaged(batch_of(0, 2).view());
  damaged.back() ^= 1;
  proto::GroupDelivery delivery;
  delivery.add_batch_sizes(static_cast<uint32_t>(damaged.size()));
  add_range(&delivery, 0, 1, 1, 0);
  ASSERT_FALSE(core.on_delivery(delivery, SharedBytes::copy_of(damaged), 0));
  EXPECT_TRUE(all(&core).empty());
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "REJECT 0:0-1#1 ");
  EXPECT_FALSE(request->message.outcomes(0).error().empty());
}

TEST(SubscriberCore, AcksInAnyOrderBecomeRanges) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 10, 0, 9));
  const auto events = all(&core);
  ASSERT_EQ(events.size(), 10u);
  for (const size_t i : {3u, 1u, 2u, 0u, 9u, 7u, 8u}) core.settle(events[i], proto::ACK, {}, {});
  core.settle(events[5], proto::EXTEND, {}, {});
  core.settle(events[4], proto::NACK, "why", 7);
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "EXTEND 0:5-5#1 NACK 0:4-4#1 ACK 0:0-3#1 ACK 0:7-9#1 ");
  EXPECT_EQ(request->message.outcomes(1).delay_ms(), 7);
  EXPECT_EQ(core.open(), 1u);
  core.on_settled(request->number, {}, ok_of(4));
  const auto reports = core.take_reports();
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_FALSE(reports[2].error);
  EXPECT_EQ(reports[2].last_offset, 3);
  EXPECT_EQ(core.open(), 0u);
}

TEST(SubscriberCore, FailuresMergeOnlyWithTheSameFate) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 4, 0, 3));
  const auto events = all(&core);
  core.settle(events[0], proto::NACK, "a", {});
  core.settle(events[1], proto::NACK, "a", {});
  core.settle(events[2], proto::NACK, "b", {});
  core.settle(events[3], proto::NACK, "b", 0);
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "NACK 0:0-1#1 NACK 0:2-2#1 NACK 0:3-3#1 ");
}

TEST(SubscriberCore, FewRequestsAreUnderWayAndTheRestGathers) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 20, 0, 19));
  const auto events = all(&core);
  std::vector<uint64_t> numbers;
  for (size_t i = 0; i < 10; ++i) {
    core.settle(events[i], proto::ACK, {}, {});
    if (const auto request = core.take()) numbers.push_back(request->number);
  }
  ASSERT_EQ(numbers.size(), kSettlesInFlight);
  core.on_settled(numbers[1], {}, ok_of(1));
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "ACK 0:4-9#1 ");
}

TEST(SubscriberCore, RefusalsNameTheirOutcome) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 4, 0, 3));
  const auto events = all(&core);
  core.settle(events[0], proto::ACK, {}, {});
  core.settle(events[2], proto::ACK, {}, {});
  auto request = core.take();
  ASSERT_TRUE(request);
  proto::SettleOk ok;
  ok.add_error_codes(0);
  ok.add_error_codes(kErrorStaleDelivery);
  core.on_settled(request->number, {}, ok);
  auto reports = core.take_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_FALSE(reports[0].error);
  EXPECT_TRUE(reports[1].error.is("stale_delivery"));
  EXPECT_EQ(reports[1].first_offset, 2);

  core.settle(events[1], proto::ACK, {}, {});
  request = core.take();
  core.on_settled(request->number, {}, ok_of(2));  // not one code for each
  EXPECT_EQ(core.take_reports().at(0).error.code, kCodeBadReply);
}

TEST(SubscriberCore, WhatWasPutBackIsSentAgain) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 2, 0, 1));
  const auto events = all(&core);
  core.settle(events[0], proto::ACK, {}, {});
  const auto first = core.take();
  core.put_back(first->number);
  core.settle(events[1], proto::ACK, {}, {});
  const auto second = core.take();
  ASSERT_TRUE(second);
  EXPECT_NE(second->number, first->number);
  EXPECT_EQ(text(second->message), "ACK 0:0-1#1 ");
  EXPECT_TRUE(core.take_reports().empty());
}

TEST(SubscriberCore, ALostMembershipTakesItsDeliveriesWithIt) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 5, 0, 4));
  Delivered sent, waiting, held;
  ASSERT_TRUE(core.next(&sent) && core.next(&waiting) && core.next(&held));
  core.settle(sent, proto::ACK, {}, {});
  const auto request = core.take();
  core.settle(waiting, proto::ACK, {}, {});
  core.on_lost(connection_lost("gone"));
  EXPECT_FALSE(core.has_next());
  EXPECT_FALSE(core.take());
  core.on_settled(request->number, connection_lost("gone"), {});
  auto reports = core.take_reports();
  ASSERT_EQ(reports.size(), 2u);
  for (const auto& each : reports) EXPECT_EQ(each.error.code, kCodeConnectionLost);
  // Handled on, and finished when a new membership has begun: nothing of it is sent.
  core.on_subscribed();
  core.settle(held, proto::ACK, {}, {});
  EXPECT_FALSE(core.take());
  reports = core.take_reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_TRUE(reports[0].error);
  // The same event again, by the new membership.
  ASSERT_FALSE(deliver(&core, 0, 5, 2, 2));
  ASSERT_TRUE(core.next(&held));
  core.settle(held, proto::ACK, {}, {});
  EXPECT_TRUE(core.take());
}

TEST(SubscriberCore, TextsAreCutAndCleaned) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 1, 0, 0));
  const auto events = all(&core);
  core.settle(events[0], proto::NACK, "\xff" + std::string(5'000, 'x'), {});
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_LE(request->message.outcomes(0).error().size(), kOutcomeTextMax);
  proto::Settle parsed;
  EXPECT_TRUE(parsed.ParseFromString(request->message.SerializeAsString()));
}

// Deliveries of 10 ms that came at 1 ms.
TEST(SubscriberCore, WhatWaitsBehindASlowOneIsExtended) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 5, 0, 4));
  Delivered first;
  ASSERT_TRUE(core.next(&first));
  EXPECT_EQ(first.deadline_us, 11'000);
  core.extend_queued(2'000);
  EXPECT_FALSE(core.take()) << "it has time";
  core.extend_queued(6'000);
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "EXTEND 0:1-4#1 ");
  EXPECT_FALSE(core.take());
  core.extend_queued(6'001);
  EXPECT_FALSE(core.take()) << "it has time again";
  core.on_settled(request->number, {}, ok_of(1, 7));
  EXPECT_TRUE(core.take_reports().empty()) << "nobody waits for that";
  Delivered second;
  ASSERT_TRUE(core.next(&second));
  EXPECT_EQ(second.deadline_us, 16'000);
}

TEST(SubscriberCore, ExtensionsGoBeforeOutcomesAndDoNotOutliveTheMembership) {
  SubscriberCore core;
  core.on_subscribed();
  ASSERT_FALSE(deliver(&core, 0, 5, 0, 4));
  Delivered first;
  ASSERT_TRUE(core.next(&first));
  core.settle(first, proto::ACK, {}, {});
  core.extend_queued(6'000);
  const auto request = core.take();
  ASSERT_TRUE(request);
  EXPECT_EQ(text(request->message), "EXTEND 0:1-4#1 ");
  const auto outcome = core.take();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(text(outcome->message), "ACK 0:0-0#1 ");
  core.extend_queued(20'000);
  core.on_lost(connection_lost("gone"));
  core.on_subscribed();
  EXPECT_FALSE(core.take());
}

}  // namespace
}  // namespace headrace::client

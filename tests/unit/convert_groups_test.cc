#include "broker/native/handlers/convert_groups.h"

#include <gtest/gtest.h>

#include "broker/limits.h"

namespace headrace::native {
namespace {

TEST(ConvertGroups, AbsentFieldsAreTheDefaults) {
  core::GroupOptions options;
  ASSERT_FALSE(from_proto(proto::GroupOptions(), &options));
  EXPECT_EQ(options, core::GroupOptions());
}

TEST(ConvertGroups, EveryOptionThereAndBack) {
  proto::GroupOptions message;
  message.add_filters("user.*");
  message.add_conditions("grade >= 80");
  message.set_priority(0);
  message.set_ack_deadline_ms(1'500);
  message.set_max_in_flight(7);
  message.mutable_retry()->set_max_retries(0);
  message.mutable_retry()->set_base_ms(10);
  message.mutable_retry()->set_factor(1.5);
  message.mutable_retry()->set_cap_ms(20);
  message.mutable_retry()->set_jitter(0);
  message.mutable_retry()->add_delays_ms(3);
  message.set_cooldown_ms(4);
  message.set_dlq_entries(5);
  message.set_dlq_bytes(6);
  message.set_dlq_overflow("drop_oldest");
  message.set_ordering("key");
  message.mutable_from()->set_time_us(8);
  message.set_schema_from(1);
  message.set_schema_to(2);
  message.set_version_mismatch("dead-letter");
  message.set_keep_attempts("all");
  core::GroupOptions options;
  ASSERT_FALSE(from_proto(message, &options));
  EXPECT_EQ(options.retry.base_us, 10'000);
  EXPECT_EQ(options.ordering, core::GroupOptions::Ordering::key);
  proto::GroupOptions back;
  to_proto(options, &back);
  EXPECT_EQ(back.SerializeAsString(), message.SerializeAsString());
}

TEST(ConvertGroups, WordsThatNobodyKnowsAreRefusedByName) {
  proto::GroupOptions message;
  message.set_version_mismatch("upcast");
  core::GroupOptions options;
  EXPECT_NE(from_proto(message, &options).detail.find("version_mismatch"), std::string::npos);
  message.set_version_mismatch("dead-letter");
  ASSERT_FALSE(from_proto(message, &options));
  // A policy without a range would never do anything.
  EXPECT_NE(check_options(options).detail.find("version_mismatch"), std::string::npos);
  options.schema_to = 3;
  EXPECT_FALSE(check_options(options));
  message.set_keep_attempts("some");
  EXPECT_NE(from_proto(message, &options).detail.find("keep_attempts"), std::string::npos);
}

TEST(ConvertGroups, PositionsThereAndBack) {
  for (const core::Position& from :
       {core::Position(core::Earliest()), core::Position(core::Latest()), core::Position(Offset(3)),
        core::Position(core::AppendedAt(4))}) {
    core::GroupOptions options;
    options.from = from;
    proto::GroupOptions message;
    to_proto(options, &message);
    core::GroupOptions back;
    ASSERT_FALSE(from_proto(message, &back));
    EXPECT_EQ(back.from, from);
  }
}

TEST(ConvertGroups, TimesBeyondAnyClockDoNotOverflow) {
  for (const int64_t ms : {INT64_MAX, INT64_MIN, INT64_MAX / 1000 + 1}) {
    proto::GroupOptions message;
    message.set_ack_deadline_ms(ms);
    message.mutable_retry()->set_base_ms(ms);
    core::GroupOptions options;
    ASSERT_FALSE(from_proto(message, &options));
    EXPECT_EQ(options.ack_deadline_us > 0, ms > 0) << ms;
    EXPECT_GT(std::abs(options.retry.base_us), limits::kRetryDelayUsMax) << ms;
  }
}

TEST(ConvertGroups, UnknownWordsNameTheirField) {
  core::GroupOptions options;
  proto::GroupOptions message;
  message.set_dlq_overflow("explode");
  auto error = from_proto(message, &options);
  EXPECT_EQ(error.code, core::ErrorCode::invalid_request);
  EXPECT_NE(error.detail.find("dlq_overflow"), std::string::npos);
  message.set_dlq_overflow("");
  message.set_ordering("random");
  EXPECT_NE(from_proto(message, &options).detail.find("ordering"), std::string::npos);
}

proto::Outcome outcome_of(proto::Verdict verdict) {
  proto::Outcome message;
  message.set_partition(1);
  message.set_first_offset(5);
  message.set_last_offset(9);
  message.set_attempt(2);
  message.set_verdict(verdict);
  return message;
}

TEST(ConvertGroups, OutcomesAreChecked) {
  core::Settle::Outcome outcome;
  auto message = outcome_of(proto::NACK);
  message.set_delay_ms(3);
  message.set_error(std::string(5'000, 'e'));
  ASSERT_FALSE(from_proto(message, 0, &outcome));
  EXPECT_EQ(outcome.verdict, core::Verdict::nack);
  EXPECT_EQ(outcome.delay_us, 3'000);
  EXPECT_EQ(outcome.error.size(), limits::kErrorTextMax);

  const auto refused = [&](const proto::Outcome& bad) {
    core::Settle::Outcome none;
    const auto error = from_proto(bad, 4, &none);
    EXPECT_EQ(error.code, core::ErrorCode::invalid_request);
    return error.detail.substr(0, error.detail.find(':'));
  };
  message = outcome_of(proto::ACK);
  message.set_last_offset(4);
  EXPECT_EQ(refused(message), "outcomes[4].last_offset");
  message = outcome_of(proto::ACK);
  message.set_first_offset(-1);
  EXPECT_EQ(refused(message), "outcomes[4].first_offset");
  message = outcome_of(static_cast<proto::Verdict>(99));
  EXPECT_EQ(refused(message), "outcomes[4].verdict");
  message = outcome_of(proto::NACK);
  message.set_delay_ms(INT64_MAX);
  EXPECT_EQ(refused(message), "outcomes[4].delay_ms");
  message = outcome_of(proto::ACK);
  message.set_delay_ms(0);
  EXPECT_EQ(refused(message), "outcomes[4].delay_ms");
}

TEST(ConvertGroups, DeadLetterIds) {
  std::string group;
  uint64_t sequence = 0;
  ASSERT_TRUE(parse_dead_letter_id(dead_letter_id("a.b", 17), &group, &sequence));
  EXPECT_EQ(group, "a.b");
  EXPECT_EQ(sequence, 17u);
  for (const char* bad :
       {"", "g", "@1", "g@", "g@0", "g@-1", "g@1x", "g@99999999999999999999999"}) {
    EXPECT_FALSE(parse_dead_letter_id(bad, &group, &sequence)) << bad;
  }
}

TEST(ConvertGroups, DeadLettersHoldTheirEventAndItsValueApart) {
  storage::BatchBuilder builder;
  storage::EventFields fields;
  fields.value = "v1";
  builder.add(fields);
  core::GroupRecord group;
  group.name = "g";
  core::Topic topic;
  topic.name = "t";
  core::DeadLetter letter;
  letter.sequence = 3;
  letter.offset = Offset(40);
  letter.event = builder.finish();
  letter.error = "bad \xff byte";
  letter.attempts.resize(2);
  proto::DeadLetter message;
  std::string payload = "before";
  to_proto(group, topic, letter, &message, &payload);
  EXPECT_EQ(message.id(), "g@3");
  EXPECT_EQ(message.event().offset(), 40);
  EXPECT_EQ(message.event().value_size(), 2u);
  EXPECT_EQ(message.attempts_size(), 2);
  EXPECT_EQ(message.state(), "dead");
  EXPECT_EQ(payload, "beforev1");
  proto::DeadLetter parsed;  // strings must be UTF-8
  EXPECT_TRUE(parsed.ParseFromString(message.SerializeAsString()));
}

}  // namespace
}  // namespace headrace::native

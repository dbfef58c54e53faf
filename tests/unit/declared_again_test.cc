// What is said of a topic or group that is made although it exists.
#include "broker/core/declared_again.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

std::unique_ptr<CreateTopic> ask_like(const Topic& topic) {
  auto asked = std::make_unique<CreateTopic>(Access::node(kDefaultTenant));
  asked->name = topic.name;
  asked->partitions = topic.partitions;
  asked->retention = topic.retention;
  asked->dedup = topic.dedup;
  return asked;
}

TEST(DeclaredAgain, ATopicSaysWhatDiffersOrThatNothingDoes) {
  Topic topic;
  topic.name = "orders";
  topic.partitions = 4;
  topic.retention.bytes = int64_t{1} << 30;
  const auto request = ask_like(topic);
  CreateTopic& asked = *request;
  EXPECT_EQ(topic_exists_as(topic, asked),
            "'orders', just as it was asked for: with if_missing that is a success");
  asked.partitions = 8;
  EXPECT_EQ(topic_exists_as(topic, asked), "'orders': partitions 4, asked 8");
  asked.retention = {};
  asked.retention.age_us = 7 * 86'400 * kMicrosPerSecond;
  asked.retention.months = 3;
  asked.dedup = {60 * kMicrosPerSecond, 1'000};
  EXPECT_EQ(topic_exists_as(topic, asked),
            "'orders': partitions 4, asked 8; retention by age none, asked 7d; retention by size "
            "1GiB, asked none; retention by months none, asked 3; dedup none, asked 1m and 1000 "
            "ids");
}

// Every setting that makes a topic another one is named.
TEST(DeclaredAgain, NoDifferenceOfATopicIsCalledEqual) {
  Topic topic;
  topic.name = "t";
  const auto told = [&](auto&& change) {
    const auto asked = ask_like(topic);
    change(*asked);
    return topic_exists_as(topic, *asked).starts_with("'t': ");
  };
  EXPECT_FALSE(told([](CreateTopic&) {}));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.partitions = 2; }));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.retention.age_us = 1; }));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.retention.bytes = 1; }));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.retention.events = 1; }));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.retention.months = 0; }));
  EXPECT_TRUE(told([](CreateTopic& asked) { asked.dedup = {kMicrosPerSecond, 1}; }));
}

TEST(DeclaredAgain, AGroupSaysWhatDiffersAlsoWhatNeverChanges) {
  GroupOptions existing;
  GroupOptions asked;
  EXPECT_EQ(group_exists_as("mail", existing, asked),
            "'mail', just as it was asked for: with if_missing that is a success");
  asked.from = Earliest{};
  asked.ordering = GroupOptions::Ordering::key;
  asked.filters = {"order.*"};
  asked.retry.max_retries = 5;
  EXPECT_EQ(group_exists_as("mail", existing, asked),
            "'mail': from latest, asked earliest; ordering none, asked key; filters none, asked "
            "order.*; max_retries 3, asked 5");
}

}  // namespace
}  // namespace headrace::core

// Explaining what only rows know: more parked events than memory holds, and than one answer looks
// through.
#include <gtest/gtest.h>

#include "broker/core/api_explain.h"
#include "broker/limits.h"
#include "tests/support/core_stage.h"
#include "tests/support/handed_out.h"

namespace headrace::test {
namespace {

using core::EventStatus;

class Explain : public testing::Test {
 protected:
  static constexpr int64_t kParked = 5'000;  // offsets below are parked, the others are acked
  static constexpr int64_t kEvents = 5'100;

  Explain() {
    static_assert(2 * limits::kRetryHeads + limits::kExplainRows < kParked);
    hand_out([this](const std::string& command) { run(command); }, "deadline_s=40000", kEvents);
    run("ack mail a 0 " + std::to_string(kParked) + " " + std::to_string(kEvents - 1) + " 1");
    run("nack mail a 0 0 " + std::to_string(kParked - 1) + " 1 delay_s=1000");
    run("enable mail");  // so many failures stop a group
  }

  void run(const std::string& command) {
    stage.run(command);
    stage.run("settle");
    stage.take_transcript();
  }
  std::unique_ptr<core::ExplainEvent> ask(int64_t offset, std::optional<core::ParkedAt> from = {}) {
    auto request = std::make_unique<core::ExplainEvent>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->group = stage.catalog()->group(kDefaultTenant, "mail");
    request->offset = Offset(offset);
    request->looked_to = from;
    return stage.answer(std::move(request));
  }

  CoreStage stage;
};

TEST_F(Explain, AParkedEventThatMemoryDoesNotHoldIsFoundByItsRow) {
  const auto told = ask(1'000);
  ASSERT_FALSE(told->error) << told->error.message();
  EXPECT_EQ(told->place.status, EventStatus::retry);
  EXPECT_EQ(told->place.attempt, 2u);
  ASSERT_EQ(told->place.attempts.size(), 1u);
  EXPECT_EQ(told->place.attempts[0].error, "it broke");
  EXPECT_EQ(told->place.due_us - told->place.attempts[0].ended_us, 1'000 * kMicrosPerSecond);
}

TEST_F(Explain, WhatOneAnswerDoesNotReachTheNextOneGoesOnFor) {
  for (const auto& [offset, status] : {std::pair(kParked - 1, EventStatus::retry),
                                       std::pair(kParked + 50, EventStatus::settled)}) {
    const auto first = ask(offset);
    EXPECT_EQ(first->place.status, EventStatus::unknown) << offset;
    ASSERT_TRUE(first->looked_to) << offset;
    const auto second = ask(offset, first->looked_to);
    EXPECT_EQ(second->place.status, status) << offset;
    EXPECT_FALSE(second->looked_to) << offset;
  }
}

TEST_F(Explain, AnsweredBeforeWhatIsOnItsWayIsDurableIsAnsweredRight) {
  stage.run("take mail a 1");
  stage.run("publish orders 0 durable last");
  stage.run("settle");
  stage.run("reject mail a 0 " + std::to_string(kEvents) + " " + std::to_string(kEvents) + " 1");
  const auto told = ask(kEvents);
  EXPECT_EQ(told->place.status, EventStatus::dead);
  ASSERT_TRUE(told->letter);
  EXPECT_EQ(told->letter->sequence, 1u);
}

}  // namespace
}  // namespace headrace::test

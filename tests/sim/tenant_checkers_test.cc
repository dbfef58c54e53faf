// The checkers of what tenants get, themselves: each must complain about a history that is wrong,
// and only then.
#include <gtest/gtest.h>

#include "tests/sim/checkers.h"
#include "tests/sim/tenants.h"

namespace headrace::sim {
namespace {

class TenantCheckers : public testing::Test {
 protected:
  // Tenants 0 and 1 wait from 0 on; each publish has the time of its turn.
  void waited(uint32_t tenant, int64_t appended_us, int64_t bytes = 100, uint32_t weight = 1,
              int64_t arrived_us = 0) {
    fairness_->on_waited({tenant, weight, bytes, arrived_us, appended_us});
  }
  void turn(std::map<uint32_t, Turn::Share> shares) {
    turns_->on_turn({0, 1, 100, 0, std::move(shares)});
  }

  Violations violations_;
  std::unique_ptr<Checker> isolation_ = make_isolation_checker(&violations_);
  std::unique_ptr<Checker> fairness_ = make_fairness_checker(&violations_);
  std::unique_ptr<Checker> turns_ = make_turns_checker(&violations_);
  std::unique_ptr<Checker> retries_ = make_retry_checker(&violations_);
};

TEST_F(TenantCheckers, EventsOfAnotherTenant) {
  isolation_->on_client({1, 0});
  isolation_->on_client({2, 1});
  const Lane first{"t0", 0}, second{told_apart(1, "t0"), 0};
  isolation_->on_seen({first, {1, 5}, 0, 0, 1, 1, ""});
  isolation_->on_seen({second, {2, 5}, 0, 0, 1, 1, ""});
  isolation_->on_seen({second, {2'000'003, 0}, 0, 0, 1, 1, ""});
  EXPECT_TRUE(violations_.empty());
  isolation_->on_seen({second, {1, 5}, 0, 0, 1, 1, ""});
  EXPECT_EQ(violations_.size(), 1u);
  isolation_->on_final({first, 0, {{1, 1}, {2, 1}}});
  EXPECT_EQ(violations_.size(), 2u);
  Delivered delivered;
  delivered.lane = first;
  delivered.value = {2'000'003, 0};
  isolation_->on_delivered(delivered);
  EXPECT_EQ(violations_.size(), 3u);
}

TEST_F(TenantCheckers, TheMarkOfAnotherTenantInAnAnswer) {
  isolation_->on_heard({1, "xx" + mark_of(1) + "<<<" + mark_of(1) + "<<"});
  isolation_->on_heard({0, "<<a> <<abc>>" + mark_of(0)});
  EXPECT_TRUE(violations_.empty());
  isolation_->on_heard({0, "its group " + mark_of(1) + " is not yours"});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(TenantCheckers, TwoThatWaitAreServedInTurn) {
  for (int64_t i = 1; i <= 50; ++i) waited(i % 2 == 0 ? 0 : 1, i);
  fairness_->on_waits_over();
  EXPECT_TRUE(violations_.empty());
}

TEST_F(TenantCheckers, OneThatWaitsBehindTheOther) {
  for (int64_t i = 1; i <= 50; ++i) waited(i <= 25 ? 0 : 1, i);
  fairness_->on_waits_over();
  EXPECT_EQ(violations_.size(), 1u);
}

// The other one had nothing waiting meanwhile: that is no harm.
TEST_F(TenantCheckers, OneThatComesLate) {
  for (int64_t i = 1; i <= 25; ++i) waited(0, i);
  for (int64_t i = 26; i <= 50; ++i) waited(1, i, 100, 1, 25);
  fairness_->on_waits_over();
  EXPECT_TRUE(violations_.empty());
}

TEST_F(TenantCheckers, SharesAreByWeight) {
  for (int64_t i = 1; i <= 60; ++i) waited(i % 4 == 0 ? 0 : 1, i, 100, i % 4 == 0 ? 1 : 3);
  fairness_->on_waits_over();
  EXPECT_TRUE(violations_.empty());
  for (int64_t i = 1; i <= 60; ++i) waited(i % 2 == 0 ? 0 : 1, i, 100, i % 2 == 0 ? 1 : 3);
  fairness_->on_waits_over();
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(TenantCheckers, WhoWantsMoreHasHisShareOfATurn) {
  turn({{1, {1, 100, true}}});
  turn({{1, {1, 100, true}}, {2, {1, 50, true}}});  // it was not known of
  turn({{1, {1, 50, true}}, {2, {1, 50, true}}});
  turn({{1, {1, 50, true}}, {2, {1, 10, false}}});
  EXPECT_TRUE(violations_.empty());
  turn({{1, {1, 50, true}}, {2, {1, 49, true}}});
  EXPECT_EQ(violations_.size(), 1u) << "less than its share";
  turn({{1, {1, 51, true}}, {2, {1, 50, true}}});
  EXPECT_EQ(violations_.size(), 2u) << "more than its share";
}

TEST_F(TenantCheckers, SharesOfATurnAreByWeight) {
  turn({{1, {3, 75, true}}, {2, {1, 25, true}}});
  turn({{1, {3, 75, true}}, {2, {1, 25, true}}});
  EXPECT_TRUE(violations_.empty());
  turn({{1, {3, 50, true}}, {2, {1, 25, true}}});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(TenantCheckers, ARetryBeforeItIsDue) {
  const Lane lane{"t", 0};
  const auto delivered = [&](uint32_t attempt, int64_t now_us) {
    retries_->on_delivered({"g", lane, {1, 1}, 0, attempt, 3, now_us, 0, ""});
  };
  const auto nacked = [&](uint32_t attempt, bool accepted) {
    HowItEnded outcome{"g", lane, 0, attempt};
    outcome.nack = true;
    outcome.accepted = accepted;
    outcome.sent_us = 100;
    outcome.delay_us = 50;
    retries_->on_outcome(outcome);
  };
  delivered(1, 90);
  nacked(1, true);
  delivered(2, 150);
  nacked(2, false);  // it may have ended otherwise
  delivered(3, 149);
  EXPECT_TRUE(violations_.empty());
  nacked(2, true);  // and here the answer comes late
  EXPECT_EQ(violations_.size(), 1u);
}

}  // namespace
}  // namespace headrace::sim

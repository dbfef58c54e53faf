// The checkers themselves: each must complain about a history that is wrong, and only then.
#include "tests/sim/checkers.h"

#include <gtest/gtest.h>

namespace headrace::sim {
namespace {

const Lane kLane{"t", 0};

Value value(uint64_t number, uint32_t producer = 1) {
  return {producer, number};
}
Published acked(uint64_t number, int64_t offset, Durability durability = Durability::durable,
                bool idempotent = false) {
  return {kLane, value(number), offset, durability, idempotent, 1};
}
Seen seen(uint64_t number, int64_t offset, uint32_t reader = 1, int64_t time_us = 10) {
  return {kLane, value(number), offset, time_us, reader, 1};
}
Final log_of(std::vector<uint64_t> numbers, int64_t start = 0) {
  Final log{kLane, start, {}};
  for (const uint64_t number : numbers) log.values.push_back(value(number));
  return log;
}
Belief belief(uint32_t client, std::set<uint32_t> partitions, int64_t now_us, int64_t until_us,
              uint32_t epoch = 1) {
  return {"g", client, epoch, std::move(partitions), now_us, until_us};
}

class Checkers : public testing::Test {
 protected:
  Violations violations_;
  std::unique_ptr<Checker> loss_ = make_loss_checker(&violations_);
  std::unique_ptr<Checker> offsets_ = make_offsets_checker(&violations_);
  std::unique_ptr<Checker> order_ = make_order_checker(&violations_);
  std::unique_ptr<Checker> visible_ = make_visible_checker(&violations_);
  std::unique_ptr<Checker> duplicates_ = make_duplicate_checker(&violations_);
  std::unique_ptr<Checker> commits_ = make_commit_checker(&violations_);
  std::unique_ptr<Checker> assignment_ = make_assignment_checker(&violations_);
  std::unique_ptr<Checker> budget_ = make_budget_checker(&violations_);
  std::unique_ptr<Checker> epochs_ = make_epoch_checker(&violations_);
  std::unique_ptr<Checker> deliveries_ = make_delivery_checker(&violations_);
  std::unique_ptr<Checker> keys_ = make_key_checker(&violations_);
  std::unique_ptr<Checker> delayed_ = make_delayed_checker(&violations_);
  std::unique_ptr<Checker> schemas_ = make_schema_checker(&violations_);
};

TEST_F(Checkers, LossOfADurableEventAtTheEnd) {
  loss_->on_published(acked(1, 0));
  loss_->on_published(acked(2, 1));
  loss_->on_final(log_of({1, 2}));
  EXPECT_TRUE(violations_.empty());
  loss_->on_final(log_of({1}));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AnotherValueAtItsOffset) {
  loss_->on_published(acked(1, 0));
  loss_->on_final(log_of({7}));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, TwoEventsWithOneOffset) {
  loss_->on_published(acked(1, 0));
  loss_->on_published(acked(2, 0));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, WeakerAcksAndRetentionAreNoLoss) {
  loss_->on_published(acked(1, 0));
  loss_->on_published(acked(2, 5, Durability::written));
  loss_->on_published(acked(3, 6, Durability::memory));
  loss_->on_final(log_of({}, 1));
  EXPECT_TRUE(violations_.empty());
}

TEST_F(Checkers, AnAcknowledgementNamesAnotherEpoch) {
  epochs_->on_published(acked(1, 0));
  epochs_->on_seen(seen(1, 0));
  Published weaker = acked(2, 1, Durability::written);
  weaker.epoch = 7;
  epochs_->on_published(weaker);
  epochs_->on_seen(seen(3, 1));
  EXPECT_TRUE(violations_.empty());
  Published again = acked(1, 0);
  again.epoch = 0;
  epochs_->on_published(again);
  EXPECT_EQ(violations_.size(), 1u);
  Seen other = seen(4, 2);
  other.epoch = 2;
  epochs_->on_seen(other);
  epochs_->on_published(acked(4, 2));
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, TwoValuesAtOneOffset) {
  offsets_->on_seen(seen(1, 0, 1));
  offsets_->on_seen(seen(1, 0, 2));
  EXPECT_TRUE(violations_.empty());
  offsets_->on_seen(seen(2, 0, 3));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AReaderSkips) {
  offsets_->on_seen(seen(1, 0));
  offsets_->on_seen(seen(3, 2));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AReaderReadsTwice) {
  offsets_->on_seen(seen(1, 0));
  offsets_->on_seen(seen(1, 0));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AReaderMayJumpIfItSaysSo) {
  offsets_->on_seen(seen(1, 0));
  offsets_->on_reader_jumped(1, kLane);
  offsets_->on_seen(seen(9, 8));
  EXPECT_TRUE(violations_.empty());
}

TEST_F(Checkers, AppendTimesGoBack) {
  offsets_->on_seen(seen(1, 0, 1, 10));
  offsets_->on_seen(seen(2, 1, 1, 9));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, WhatWasSeenIsAnotherAtTheEnd) {
  offsets_->on_seen(seen(1, 0));
  offsets_->on_final(log_of({2}));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, OutOfOrder) {
  order_->on_final(log_of({1, 2, 4}));
  EXPECT_TRUE(violations_.empty());
  order_->on_final(log_of({1, 4, 2}));
  EXPECT_EQ(violations_.size(), 1u);
  // Over connections there is an order only with a producer id.
  order_->on_lost_connection({log_of({1}).values.front().producer, 3});
  order_->on_final(log_of({4, 1, 5, 2}));
  EXPECT_EQ(violations_.size(), 1u);
  order_->on_final(log_of({5, 1, 4}));
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, SeenAndGone) {
  visible_->on_seen(seen(1, 0));
  visible_->on_final(log_of({}));  // asked before
  EXPECT_TRUE(violations_.empty());
  visible_->on_asked_for_rest(log_of({}).lane);
  visible_->on_final(log_of({1}));
  EXPECT_TRUE(violations_.empty());
  visible_->on_final(log_of({}));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, EndsThatCross) {
  visible_->on_ends({kLane, 3, 2});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, Duplicates) {
  duplicates_->on_final(log_of({1, 2}));
  EXPECT_TRUE(violations_.empty());
  duplicates_->on_final(log_of({1, 2, 1}));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AResendWithAnotherOffset) {
  duplicates_->on_published(acked(1, 0, Durability::durable, true));
  duplicates_->on_published(acked(1, 0, Durability::durable, true));
  EXPECT_TRUE(violations_.empty());
  duplicates_->on_published(acked(1, 4, Durability::durable, true));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, ACommittedPositionIsForgotten) {
  commits_->on_told({"g", 0, 5}, {"g", 0, 6});
  EXPECT_TRUE(violations_.empty());
  commits_->on_told({"g", 0, 5}, {"g", 0, -1});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, TwoMembersWithOnePartition) {
  assignment_->on_belief(belief(1, {0, 1}, 0, 100));
  assignment_->on_belief(belief(2, {2}, 10, 110));
  EXPECT_TRUE(violations_.empty());
  assignment_->on_belief(belief(2, {1, 2}, 20, 120));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AnExpiredMemberAndAnOldEpochDoNotCount) {
  assignment_->on_belief(belief(1, {0}, 0, 100));
  assignment_->on_belief(belief(2, {0}, 100, 200));
  assignment_->on_belief(belief(3, {0}, 150, 250, 2));
  EXPECT_TRUE(violations_.empty());
}

TEST_F(Checkers, ABudgetIsExceeded) {
  budget_->on_use({"bytes", 5, 5});
  EXPECT_TRUE(violations_.empty());
  budget_->on_use({"bytes", 6, 5});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AnAckedEventComesAgain) {
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 10});
  deliveries_->on_outcome({"g", kLane, 0, 1, true, false, true, 20});
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 21});  // was on its way
  EXPECT_TRUE(violations_.empty());
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 100'000'000});
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, AnAttemptIsRepeatedOrOneTooMany) {
  deliveries_->on_outcome({"g", kLane, 0, 2, false, true, true, 20});
  deliveries_->on_delivered({"g", kLane, value(1), 0, 3, 3, 100'000'000});
  EXPECT_TRUE(violations_.empty());
  deliveries_->on_delivered({"g", kLane, value(1), 0, 2, 3, 100'000'000});
  EXPECT_EQ(violations_.size(), 1u);
  deliveries_->on_delivered({"g", kLane, value(1), 0, 4, 3, 100'000'000});
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, AnEventIsForgottenOrDiesTwice) {
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 10});
  deliveries_->on_delivered({"g", kLane, value(2), 1, 1, 3, 10});
  deliveries_->on_outcome({"g", kLane, 0, 1, true, false, false, 20});
  deliveries_->on_dead({"g", kLane, 1, "g@1"});
  deliveries_->on_drained({"g", kLane});
  EXPECT_TRUE(violations_.empty());
  deliveries_->on_dead({"g", kLane, 1, "g@2"});
  EXPECT_EQ(violations_.size(), 1u);
  deliveries_->on_delivered({"g", kLane, value(3), 2, 1, 3, 10});
  deliveries_->on_drained({"g", kLane});
  EXPECT_EQ(violations_.size(), 2u);
}

Delay delay(Delay::What what, uint64_t number, int64_t due_us = 100) {
  return {what, kLane, value(number), due_us};
}

TEST_F(Checkers, ADelayedEventIsEarlyOrWasCancelled) {
  delayed_->on_delay(delay(Delay::What::sent, 1));
  delayed_->on_seen(seen(1, 0, 1, 100));
  EXPECT_TRUE(violations_.empty());
  delayed_->on_seen(seen(1, 0, 1, 99));
  EXPECT_EQ(violations_.size(), 1u);
  delayed_->on_delay(delay(Delay::What::cancelled, 2));
  delayed_->on_seen(seen(2, 1, 1, 100));
  EXPECT_EQ(violations_.size(), 2u);
  delayed_->on_final(log_of({2}));
  EXPECT_EQ(violations_.size(), 3u);
}

TEST_F(Checkers, ADelayedEventIsLostOrComesTwice) {
  delayed_->on_delay(delay(Delay::What::accepted, 1));
  delayed_->on_delay(delay(Delay::What::accepted, 2, 200));
  delayed_->on_delay(delay(Delay::What::sent, 3));
  delayed_->on_due_by({150});
  delayed_->on_final(log_of({1}));
  EXPECT_TRUE(violations_.empty());
  delayed_->on_final(log_of({1, 1}));
  EXPECT_EQ(violations_.size(), 1u);
  delayed_->on_final(log_of({}));
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, AJobForgetsAnEventOrBringsAnother) {
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 10});
  deliveries_->on_outcome({"g", kLane, 0, 1, true, false, true, 20});
  // In the job's lane it comes again.
  deliveries_->on_delivered({"g", kLane, value(1), 0, 1, 3, 100'000'000, 7});
  deliveries_->on_outcome({"g", kLane, 0, 1, true, false, true, 100'000'001, 7});
  deliveries_->on_job_done({"g", 7, true, kLane, 0, 1});
  EXPECT_TRUE(violations_.empty());
  deliveries_->on_job_done({"g", 7, true, kLane, 0, 2});
  EXPECT_EQ(violations_.size(), 1u);
  deliveries_->on_delivered({"g", kLane, value(3), 2, 1, 3, 10, 8});
  deliveries_->on_job_done({"g", 8, true, kLane, 0, 0});
  EXPECT_EQ(violations_.size(), 2u);
  // A redrive brings what was dead.
  deliveries_->on_dead({"g", kLane, 4, "g@1"});
  deliveries_->on_delivered({"g", kLane, value(5), 4, 1, 3, 10, 9});
  deliveries_->on_job_done({"g", 9, false, kLane, 0, 0});
  EXPECT_EQ(violations_.size(), 2u);
  deliveries_->on_delivered({"g", kLane, value(6), 5, 1, 3, 10, 9});
  deliveries_->on_job_done({"g", 9, false, kLane, 0, 0});
  EXPECT_EQ(violations_.size(), 3u);
}

TEST_F(Checkers, AnEventThatOvertakesItsKey) {
  auto delivered = [](int64_t offset, uint32_t attempt, int64_t now_us, std::string key) {
    return Delivered{"g", kLane, value(1), offset, attempt, 3, now_us, 0, std::move(key)};
  };
  const HowItEnded ack{"g", kLane, 0, 1, true, false, false, 20};
  const HowItEnded nack{"g", kLane, 1, 1, false, true, false, 20};
  keys_->on_delivered(delivered(0, 1, 10, "a"));
  keys_->on_delivered(delivered(1, 1, 10, "b"));
  keys_->on_outcome(ack);
  keys_->on_outcome(nack);
  keys_->on_delivered(delivered(2, 1, 30, "a"));
  keys_->on_delivered(delivered(3, 1, 30, "c"));
  EXPECT_TRUE(violations_.empty());
  keys_->on_delivered(delivered(4, 1, 40, "b"));
  EXPECT_EQ(violations_.size(), 1u);
  // Two attempts may have passed unseen.
  keys_->on_delivered(delivered(5, 1, 30 + 6'000'000, "c"));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST(Judge, TellsEveryCheckerAndForgetsTopics) {
  Judge judge;
  judge.tell(&Checker::on_published, acked(1, 0));
  judge.tell(&Checker::on_final, log_of({}));
  EXPECT_EQ(judge.violations().size(), 1u);
  judge.forget("t");
  judge.tell(&Checker::on_final, log_of({}));
  EXPECT_EQ(judge.violations().size(), 1u);
}

// ---- schemas

Typed typed(uint64_t number, Typed::Mode mode, bool matches) {
  return {kLane, value(number), mode, matches};
}
Delivered handed_out(uint64_t number, int64_t offset, uint32_t job = 0) {
  return {"g", kLane, value(number), offset, 1, 3, 10, job, ""};
}
Dead kept_back(int64_t offset, const std::string& id) {
  return {"g", kLane, offset, id, 0, 0, "schema_violation"};
}

TEST_F(Checkers, AnEnforcedTypeIsNoBusinessOfReaders) {
  schemas_->on_typed(typed(1, Typed::Mode::enforce, true));
  schemas_->on_typed(typed(2, Typed::Mode::advisory, false));
  schemas_->on_typed(typed(3, Typed::Mode::enforce, false));
  schemas_->on_seen(seen(1, 0));
  schemas_->on_seen(seen(2, 1));
  schemas_->on_published(acked(1, 0));
  schemas_->on_final(log_of({1, 2}));
  EXPECT_TRUE(violations_.empty());
  schemas_->on_published(acked(3, 2));
  EXPECT_EQ(violations_.size(), 1u);
  schemas_->on_seen(seen(3, 2));
  EXPECT_EQ(violations_.size(), 2u);
  schemas_->on_final(log_of({1, 2, 3}));
  EXPECT_EQ(violations_.size(), 3u);
}

TEST_F(Checkers, WhatDoesNotMatchIsOneDeadLetter) {
  schemas_->on_typed(typed(1, Typed::Mode::dead_letter, true));
  schemas_->on_typed(typed(2, Typed::Mode::dead_letter, false));
  schemas_->on_delivered(handed_out(1, 0));
  schemas_->on_dead(kept_back(1, "g@1"));
  schemas_->on_dead(kept_back(1, "g@1"));  // listed again
  schemas_->on_final(log_of({1, 2}));
  schemas_->on_delivered(handed_out(2, 1, 4));  // a redrive
  schemas_->on_drained({"g", kLane});
  schemas_->on_job_done({"g", 4, false, kLane, 0, 0});
  EXPECT_TRUE(violations_.empty());
  schemas_->on_dead(kept_back(1, "g@2"));
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(Checkers, WhatDoesNotMatchIsDelivered) {
  schemas_->on_typed(typed(2, Typed::Mode::dead_letter, false));
  schemas_->on_delivered(handed_out(2, 1));
  EXPECT_EQ(violations_.size(), 1u);
  schemas_->on_delivered(handed_out(2, 1, 5));
  EXPECT_EQ(violations_.size(), 1u);
  schemas_->on_job_done({"g", 5, true, kLane, 0, 2});
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, WhatDoesNotMatchIsNoDeadLetterOrAnotherIs) {
  schemas_->on_typed(typed(1, Typed::Mode::dead_letter, false));
  schemas_->on_final(log_of({1, 2}));
  schemas_->on_drained({"g", kLane});
  EXPECT_EQ(violations_.size(), 1u);
  schemas_->on_dead(kept_back(0, "g@1"));
  schemas_->on_dead(kept_back(1, "g@2"));
  schemas_->on_drained({"g", kLane});
  EXPECT_EQ(violations_.size(), 2u);
}

TEST_F(Checkers, AReplayOwesNothingThatASchemaKeepsBack) {
  Dead dead = kept_back(0, "g@1");
  deliveries_->on_dead(dead);
  deliveries_->on_job_done({"g", 1, true, kLane, 0, 1});
  EXPECT_TRUE(violations_.empty());
  deliveries_->on_job_done({"g", 2, true, kLane, 0, 2});
  EXPECT_EQ(violations_.size(), 1u);
}

}  // namespace
}  // namespace headrace::sim

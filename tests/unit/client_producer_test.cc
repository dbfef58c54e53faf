// The producer's side of idempotence: what was refused is sent again in order, and a producer that
// the broker has forgotten begins anew only when nothing can be stored twice by that.
#include <gtest/gtest.h>

#include <mutex>

#include "broker/core/error.h"
#include "client/producer.h"
#include "tests/support/scripted_broker.h"

namespace headrace::client {
namespace {

using test::ScriptedBroker;
using Answer = ScriptedBroker::Answer;

uint32_t code(core::ErrorCode error) {
  return static_cast<uint32_t>(error);
}
const uint32_t kBusy = code(core::ErrorCode::busy);
const uint32_t kUnknownProducer = code(core::ErrorCode::unknown_producer);
const uint32_t kOutOfOrder = code(core::ErrorCode::out_of_order_sequence);
const uint32_t kOutcomeUnknown = code(core::ErrorCode::outcome_unknown);

// What the broker's partition does (broker/core/producers.h), and what the test wants instead.
class ClientProducer : public testing::Test {
 protected:
  struct Stamp {
    int16_t epoch;
    int32_t sequence;
    bool operator==(const Stamp&) const = default;
  };

  Answer answer(const storage::BatchHeader& header) {
    const std::lock_guard lock(mutex_);
    seen_.push_back({header.producer_epoch, header.base_sequence});
    if (next_answer_ < script_.size()) {
      if (auto wanted = script_[next_answer_++]) return *wanted;
    }
    if (epoch_ < 0 && header.base_sequence != 0) {
      return ScriptedBroker::refused(kUnknownProducer, false);
    }
    const bool begins = header.producer_epoch > epoch_;
    if (header.base_sequence != (begins ? 0 : next_sequence_)) {
      return ScriptedBroker::refused(kOutOfOrder, false);
    }
    epoch_ = header.producer_epoch;
    next_sequence_ = header.base_sequence + header.record_count;
    end_ += header.record_count;
    return ScriptedBroker::stored(end_ - header.record_count);
  }

  void open(Durability durability = Durability::durable) {
    ClientOptions options;
    options.server = broker_.endpoint();
    options.timeout_ms = 20'000;
    client_ = std::make_unique<Client>(options);
    ProducerOptions wanted;
    wanted.topic = "orders";
    wanted.durability = durability;
    wanted.linger_ms = 0;  // one event, one batch
    auto opened = Producer::open(*client_, wanted, [this](const Acked& acked) {
      const std::lock_guard lock(mutex_);
      for (const uint64_t token : acked.tokens) {
        (acked.error ? failed_ : acked_).push_back(token);
        if (!acked.error) offsets_.push_back(acked.base_offset);
      }
    });
    ASSERT_TRUE(opened.ok()) << opened.error.message;
    producer_ = std::move(opened.value);
  }

  Error publish(uint64_t first, uint64_t count) {
    storage::EventFields event;
    event.value = "value";
    for (uint64_t token = first; token < first + count; ++token) {
      if (Error error = producer_->publish(event, token)) return error;
    }
    return producer_->flush();
  }

  void forget() {
    const std::lock_guard lock(mutex_);
    epoch_ = -1;
    next_sequence_ = 0;
    seen_.clear();
    next_answer_ = 0;
  }

  std::mutex mutex_;
  std::vector<std::optional<Answer>> script_;  // nullopt: as the partition does
  size_t next_answer_ = 0;
  int16_t epoch_ = -1;
  int32_t next_sequence_ = 0;
  int64_t end_ = 0;
  std::vector<Stamp> seen_;
  std::vector<uint64_t> acked_;
  std::vector<uint64_t> failed_;
  std::vector<int64_t> offsets_;
  ScriptedBroker broker_{1, [this](const storage::BatchHeader& header) { return answer(header); }};
  std::unique_ptr<Client> client_;
  std::unique_ptr<Producer> producer_;
};

TEST_F(ClientProducer, WhatFollowsARefusedFirstIsSentAgainInOrder) {
  script_ = {ScriptedBroker::refused(kBusy, true)};
  open();
  const Error error = publish(1, 5);
  EXPECT_FALSE(error) << error.message;
  EXPECT_EQ(acked_, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(offsets_, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(seen_.front(), (Stamp{0, 0}));
  EXPECT_EQ(epoch_, 0) << "no reason for a new epoch";
}

TEST_F(ClientProducer, WhoWasForgottenGoesOnWithTheNextEpoch) {
  open();
  EXPECT_FALSE(publish(1, 3));
  forget();
  const Error error = publish(4, 3);
  EXPECT_FALSE(error) << error.message;
  EXPECT_EQ(acked_, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(offsets_, (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(seen_.front(), (Stamp{0, 3}));
  EXPECT_EQ(seen_.back(), (Stamp{1, 2}));
  EXPECT_EQ(epoch_, 1);
}

TEST_F(ClientProducer, WhatMayBeStoredIsNotSentUnderANewEpoch) {
  open();
  EXPECT_FALSE(publish(1, 1));
  forget();
  script_ = {ScriptedBroker::refused(kOutcomeUnknown, true)};
  EXPECT_EQ(publish(2, 1).code, kUnknownProducer);
  EXPECT_EQ(failed_, (std::vector<uint64_t>{2}));
  EXPECT_EQ(seen_, (std::vector<Stamp>{{0, 1}, {0, 1}}));
}

TEST_F(ClientProducer, NorWhatALostConnectionMayHaveBrought) {
  open();
  EXPECT_FALSE(publish(1, 1));
  forget();
  script_ = {ScriptedBroker::hang_up()};
  EXPECT_EQ(publish(2, 1).code, kUnknownProducer);
  EXPECT_EQ(failed_, (std::vector<uint64_t>{2}));
  EXPECT_EQ(seen_, (std::vector<Stamp>{{0, 1}, {0, 1}}));
}

TEST_F(ClientProducer, AGapBehindDurableAcksIsTheBrokersFault) {
  open();
  EXPECT_FALSE(publish(1, 2));
  script_ = {ScriptedBroker::refused(kOutOfOrder, false)};
  EXPECT_EQ(publish(3, 1).code, kOutOfOrder);
  EXPECT_EQ(failed_, (std::vector<uint64_t>{3}));
}

TEST_F(ClientProducer, AGapBehindWrittenAcksIsACrash) {
  open(Durability::written);
  EXPECT_FALSE(publish(1, 2));
  {
    const std::lock_guard lock(mutex_);
    next_sequence_ = 1;  // the second one did not survive
    end_ = 1;
  }
  const Error error = publish(3, 2);
  EXPECT_FALSE(error) << error.message;
  EXPECT_EQ(offsets_, (std::vector<int64_t>{0, 1, 1, 2}));
  EXPECT_EQ(epoch_, 1);
}

TEST_F(ClientProducer, ABrokerThatKnowsNobodyIsNotAskedForEver) {
  script_.assign(100, ScriptedBroker::refused(kUnknownProducer, false));
  open();
  EXPECT_EQ(publish(1, 1).code, kUnknownProducer);
  EXPECT_EQ(seen_.size(), 1u);
}

}  // namespace
}  // namespace headrace::client

// The history as a group sees it says of every event what explain says of it, whichever statuses
// are asked for and however small the pages are.
#include <gtest/gtest.h>

#include "broker/core/api_explain.h"
#include "broker/limits.h"
#include "tests/support/core_stage.h"
#include "tests/support/handed_out.h"

namespace headrace::test {
namespace {

using core::EventStatus;
using Row = std::pair<int64_t, EventStatus>;  // offset

class GroupSearch : public testing::Test {
 protected:
  void run(const std::string& command) {
    stage.run(command);
    stage.run("settle");
    stage.take_transcript();
  }
  template <class Request>
  std::unique_ptr<Request> to_group() {
    auto request = std::make_unique<Request>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->shard = request->topic->shard;
    request->group = stage.catalog()->group(kDefaultTenant, "mail");
    return request;
  }
  std::unique_ptr<core::FindEvents> find(Offset before, uint32_t page_size) {
    auto request = std::make_unique<core::FindEvents>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->shard = request->topic->shard;
    request->query = std::make_shared<core::EventQuery>();
    request->before = before;
    request->page_size = page_size;
    return request;
  }
  EventStatus explained(int64_t offset) {
    auto found = stage.answer(find(Offset(offset + 1), 1));
    std::optional<core::ParkedAt> looked_to;
    do {
      auto question = to_group<core::ExplainEvent>();
      question->offset = Offset(offset);
      question->event = found->events.front().event;
      question->append_time_us = found->events.front().append_time_us;
      question->looked_to = looked_to;
      question = stage.answer(std::move(question));
      EXPECT_FALSE(question->error) << question->error.message();
      if (question->place.status != EventStatus::unknown) return question->place.status;
      looked_to = question->looked_to;
    } while (looked_to);
    return EventStatus::unknown;
  }
  std::vector<Row> search(const std::vector<EventStatus>& wanted, uint32_t page_size) {
    std::vector<Row> rows;
    Offset before(INT64_MAX);
    for (bool more = true; more;) {
      auto request = to_group<core::SearchGroup>();
      request->wanted = wanted;
      request->find = find(before, page_size);
      request = stage.answer(std::move(request));
      EXPECT_FALSE(request->error) << request->error.message();
      if (request->error) return rows;
      EXPECT_EQ(request->statuses.size(), request->find->events.size());
      EXPECT_LE(request->find->events.size(), page_size);
      for (size_t i = 0; i < request->statuses.size(); ++i) {
        rows.emplace_back(request->find->events[i].offset.value(), request->statuses[i]);
      }
      more = request->find->more;
      EXPECT_TRUE(!more || request->find->searched_to < before);
      if (more && request->find->searched_to >= before) return rows;
      before = request->find->searched_to;
    }
    return rows;
  }
  // Everything, newest first, as explain has it; compared with every search there is.
  std::map<EventStatus, size_t> compare(int64_t events) {
    std::vector<Row> all;
    std::map<EventStatus, size_t> counts;
    for (int64_t offset = events - 1; offset >= 0; --offset) {
      all.emplace_back(offset, explained(offset));
      ++counts[all.back().second];
    }
    for (const uint32_t page_size : {1u, 7u, 100u}) EXPECT_EQ(search({}, page_size), all);
    for (int number = 0; number <= static_cast<int>(EventStatus::settled); ++number) {
      const auto status = static_cast<EventStatus>(number);
      std::vector<Row> wanted;
      std::vector<Row> without;
      std::copy_if(all.begin(), all.end(), std::back_inserter(wanted),
                   [&](const Row& row) { return row.second == status; });
      std::copy_if(all.begin(), all.end(), std::back_inserter(without), [&](const Row& row) {
        return row.second == status || row.second == EventStatus::dead;
      });
      for (const uint32_t page_size : {2u, 50u}) {
        EXPECT_EQ(search({status}, page_size), wanted) << core::to_string(status);
        EXPECT_EQ(search({EventStatus::dead, status}, page_size), without)
            << core::to_string(status);
      }
    }
    return counts;
  }

  CoreStage stage;
};

TEST_F(GroupSearch, SaysWhatExplainSays) {
  run("create orders 1");
  run("publish orders 0 durable type=a.x before start");
  run("clock +1");
  run("declare mail orders filter=a.* retries=1 base_s=60 in_flight=100 dlq=2 deadline_s=900");
  for (int i = 0; i < 12; ++i) {
    run("publish orders 0 durable type=a.x one two three four");
    run("publish orders 0 durable type=b.x other");
  }
  run("attach mail a 30");
  for (int i = 0; i < 12; ++i) run("take mail a 4");
  run("ack mail a 0 2 5 1");
  run("nack mail a 0 7 8 1");  // they wait for their retry
  run("reject mail a 0 9 10 1");
  run("reject mail a 0 12 13 1");  // the dead letters are full
  run("ack mail a 0 14 14 1");
  auto counts = compare(62);
  for (const EventStatus status : {EventStatus::not_matched, EventStatus::before_start,
                                   EventStatus::waiting, EventStatus::in_flight, EventStatus::retry,
                                   EventStatus::blocked, EventStatus::dead, EventStatus::settled}) {
    EXPECT_GT(counts[status], 0u) << core::to_string(status);
  }
  run("crash 0");  // what was in flight waits again
  counts = compare(62);
  EXPECT_EQ(counts[EventStatus::in_flight], 0u);
  EXPECT_EQ(counts[EventStatus::dead], 2u);
  EXPECT_EQ(counts[EventStatus::blocked], 2u);
  EXPECT_EQ(counts[EventStatus::retry], 2u);
}

TEST_F(GroupSearch, KnowsWhatWaitsBehindAKey) {
  run("create orders 1");
  run("declare mail orders from=earliest ordering=key base_s=60 in_flight=100 deadline_s=900");
  std::string events;
  for (int i = 0; i < 5; ++i) events += " key=a one key=b two";
  run("publish orders 0 durable" + events);
  run("attach mail a 30");
  run("take mail a 10");
  run("nack mail a 0 0 0 1");  // those of its key have rows now
  auto counts = compare(10);
  EXPECT_EQ(counts[EventStatus::behind_key], 8u);
  EXPECT_EQ(counts[EventStatus::retry], 1u);
  EXPECT_EQ(counts[EventStatus::in_flight], 1u);
  run("crash 0");
  compare(10);
}

// More parked events than are listed at once, spread over the log.
TEST_F(GroupSearch, ManyDeadLettersComeInPages) {
  constexpr int64_t kEvents = 2 * static_cast<int64_t>(limits::kSearchOffsets) + 100;
  hand_out([this](const std::string& command) { run(command); }, "deadline_s=40000", kEvents);
  run("reject mail a 0 0 " + std::to_string(kEvents - 2) + " 1");
  const auto dead = search({EventStatus::dead}, 100);
  ASSERT_EQ(dead.size(), static_cast<size_t>(kEvents) - 1);
  for (size_t i = 0; i < dead.size(); ++i)
    EXPECT_EQ(dead[i].first, kEvents - 2 - static_cast<int64_t>(i));
}

// Rows of parked events are read once for all rounds of a question, unless the group writes
// meanwhile: whichever step of it a failure comes after, what is parked is never settled.
TEST(GroupSearchMeanwhile, WhatIsParkedNowIsNotSettled) {
  struct Taken final : core::Requester {
    void on_reply(core::RequestPtr request) override { reply = std::move(request); }
    core::RequestPtr reply;
  };
  constexpr int64_t kEvents = 6 * static_cast<int64_t>(limits::kRetryHeads);
  constexpr int64_t kFails = kEvents - 80;  // found in the second round
  for (int step = 0; step < 12; ++step) {
    CoreStage stage;
    const auto run = [&stage](const std::string& command) {
      stage.run(command);
      stage.run("settle");
      stage.take_transcript();
    };
    hand_out(run, "base_s=900 deadline_s=900", kEvents);
    const auto settle_with = [&](const std::string& verb, int64_t offset) {
      run(verb + " mail a 0 " + std::to_string(offset) + " " + std::to_string(offset) + " 1");
    };
    for (int64_t offset = 0; offset < kEvents; ++offset) {
      if (offset != kFails) settle_with(offset % 2 == 0 ? "nack" : "ack", offset);
    }
    run("clock +600");  // it is due after the others, so memory does not have it
    Taken taken;
    auto request = std::make_unique<core::SearchGroup>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->shard = request->topic->shard;
    request->group = stage.catalog()->group(kDefaultTenant, "mail");
    request->wanted = {EventStatus::settled};
    request->find = std::make_unique<core::FindEvents>(core::Access::node(kDefaultTenant));
    request->find->topic = request->topic;
    request->find->query = std::make_shared<core::EventQuery>();
    request->find->page_size = 50;
    request->requester = &taken;
    request->ticket = 1;
    stage.submit(std::move(request));
    for (int i = 0; i < step; ++i) stage.run("read");
    settle_with("nack", kFails);
    run("settle");
    ASSERT_NE(taken.reply, nullptr) << step;
    const auto& told = core::as<core::SearchGroup>(*taken.reply);
    ASSERT_FALSE(told.error) << told.error.message();
    ASSERT_EQ(told.find->events.size(), 50u);
    EXPECT_LT(told.find->events.back().offset.value(), kFails);
    for (const auto& event : told.find->events) {
      EXPECT_EQ(event.offset.value() % 2, 1) << event.offset.value() << " after step " << step;
    }
  }
}

}  // namespace
}  // namespace headrace::test

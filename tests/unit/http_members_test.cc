// HTTP members of acked groups: borrowed, given back, gone when they are idle; and what deliveries
// are settled by.
#include <gtest/gtest.h>

#include <deque>

#include "broker/admin/members.h"
#include "broker/admin/routes/delivery_handle.h"
#include "broker/limits.h"

namespace headrace::admin {
namespace {

constexpr int64_t kMemberSecondUs = 1'000'000;
constexpr int64_t kLifeUs = 30 * kMemberSecondUs + limits::kHttpMemberIdleUs;

// Answers what is asked when the test says so.
class HttpMembersTest : public testing::Test {
 protected:
  HttpMembersTest()
      : members_([this](core::RequestPtr question, Members::Done done) {
          if (question->kind == core::Request::Kind::detach_member) {
            detached_.push_back(core::as<core::DetachMember>(*question).member);
          }
          asked_.push_back({std::move(question), std::move(done)});
        }) {
    auto topic = std::make_shared<core::Topic>();
    topic->name = "t";
    topic_ = topic;
    group_ = group_of(1);
  }

  static core::GroupPtr group_of(uint32_t id, uint32_t tenant = 1) {
    auto group = std::make_shared<core::GroupRecord>();
    group->id = GroupId(id);
    group->tenant = TenantId(tenant);
    group->options.ack_deadline_us = 30 * kMemberSecondUs;
    return group;
  }

  // The member, or the error's name; "asked": it is being made.
  std::string borrow(int64_t now_us, const core::GroupPtr& group) {
    std::string said = "asked";
    auto out = std::make_shared<std::string*>(&said);
    members_.borrow(core::Access::nobody(), group, topic_, now_us,
                    [this, out](const core::Error& error, uint64_t member) {
                      const std::string text =
                          error ? std::string(core::info(error.code).name) : std::to_string(member);
                      if (*out != nullptr) **out = text;
                      borrowed_.push_back(text);
                    });
    *out = nullptr;
    return said;
  }
  std::string borrow(int64_t now_us) { return borrow(now_us, group_); }

  // The oldest question is answered; attaching gives members 1, 2, ...
  void answer(core::Error error = {}) {
    auto [question, done] = std::move(asked_.front());
    asked_.pop_front();
    question->error = std::move(error);
    if (question->kind == core::Request::Kind::attach_member) {
      core::as<core::AttachMember>(*question).member = ++named_;
    }
    done(std::move(question));
  }

  struct Asked {
    core::RequestPtr question;
    Members::Done done;
  };
  std::deque<Asked> asked_;
  std::vector<uint64_t> detached_;
  std::vector<std::string> borrowed_;
  uint64_t named_ = 0;
  core::TopicPtr topic_;
  core::GroupPtr group_;
  Members members_;
};

TEST_F(HttpMembersTest, OneThatIsBackIsLentAgain) {
  EXPECT_EQ(borrow(0), "asked");
  answer();
  EXPECT_EQ(borrowed_, std::vector<std::string>{"1"});
  EXPECT_EQ(borrow(1), "asked");  // the first one is out
  answer();
  members_.give_back(*group_, 1, 2);
  EXPECT_EQ(borrow(3), "1");
  EXPECT_EQ(borrow(3, group_of(2)), "asked");  // another group's
  EXPECT_EQ(members_.size(), 3u);
}

TEST_F(HttpMembersTest, WhoIsIdleLeavesAndWhoIsOutStays) {
  borrow(0);
  borrow(0);
  answer();
  answer();
  members_.give_back(*group_, 1, 10);
  members_.sweep(10 + kLifeUs - 1);
  EXPECT_TRUE(detached_.empty());
  members_.touch(*group_, 1, 11);  // one of its deliveries was extended
  members_.sweep(10 + kLifeUs);
  EXPECT_TRUE(detached_.empty());
  members_.sweep(11 + kLifeUs);
  EXPECT_EQ(detached_, std::vector<uint64_t>{1});
  members_.sweep(1'000 * kLifeUs);
  EXPECT_EQ(members_.size(), 1u);  // the other one is out
}

TEST_F(HttpMembersTest, WhatTheGroupDoesNotKnowIsForgotten) {
  borrow(0);
  answer();
  members_.forget(*group_, 1);
  EXPECT_EQ(members_.size(), 0u);
  members_.give_back(*group_, 1, 1);  // nothing happens
  EXPECT_EQ(borrow(1), "asked");
  answer(core::Error(core::ErrorCode::limit_reached));
  EXPECT_EQ(borrowed_.back(), "limit_reached");
  EXPECT_EQ(members_.size(), 0u);
}

TEST_F(HttpMembersTest, TooManyAreRefusedUntilSomeLeave) {
  for (size_t i = 0; i < limits::kHttpMembers / 2; ++i) {
    ASSERT_EQ(borrow(0), "asked");
    answer();
  }
  EXPECT_EQ(borrow(0), "busy");
  EXPECT_EQ(borrow(0, group_of(9, 2)), "asked") << "another tenant is served";
  answer();
  members_.give_back(*group_, 7, 1);
  EXPECT_EQ(borrow(2, group_of(2)), "busy");  // idle, but its deliveries may still run
  EXPECT_EQ(borrow(1 + kLifeUs, group_of(2)), "asked");
  EXPECT_EQ(detached_, std::vector<uint64_t>{7});
}

// The shard was loaded anew: all that were of the load before go at once, so that a second try gets
// one that is known.
TEST_F(HttpMembersTest, StaleOnesGoTogether) {
  const uint64_t first_load = uint64_t{1} << 32;
  named_ = first_load;
  for (int i = 0; i < 3; ++i) {
    borrow(0);
    answer();
  }
  for (uint64_t i = 1; i <= 2; ++i) members_.give_back(*group_, first_load + i, 1);
  named_ = uint64_t{2} << 32;
  borrow(2);  // borrows the first
  members_.forget(*group_, first_load + 1);
  EXPECT_EQ(members_.size(), 1u) << "the third is out";
  EXPECT_EQ(borrow(3), "asked");
  answer();
  members_.give_back(*group_, named_, 4);
  members_.forget(*group_, first_load + 3);  // a late one takes no new one with it
  EXPECT_EQ(borrow(5), std::to_string(named_));
}

TEST(DeliveryHandleText, ReadsBackAndNothingElse) {
  const DeliveryHandle handle{4294967297, LaneId(3), PartitionId(2), Offset(1ll << 40), 5};
  const std::string text = to_string(handle);
  EXPECT_EQ(text, "4294967297.3.2.1099511627776.5");
  const auto read = parse_delivery_handle(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(to_string(*read), text);
  for (const char* bad : {"", "1", "1.2.3.4", "1.2.3.4.", "1.2.3.4.5.", "1.2.3.4.5.6", ".1.2.3.4",
                          "1.2.3.-4.5", "1.2.3.4.x", "1..3.4.5", "1.2.3.99999999999999999999.5",
                          "1.4294967296.3.4.5", "1.2.3.4.5 ", " 1.2.3.4.5", "+1.2.3.4.5"}) {
    EXPECT_FALSE(parse_delivery_handle(bad)) << bad;
  }
}

}  // namespace
}  // namespace headrace::admin

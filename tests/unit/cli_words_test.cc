// What the command line says by heart because it must not know the broker: held against the broker.
#include <gtest/gtest.h>

#include "broker/core/error.h"
#include "broker/core/retry_entry.h"
#include "client/cli/dead_letters.h"
#include "client/cli/session.h"
#include "client/cli/stopped_group.h"

namespace headrace::cli {
namespace {

TEST(CliWords, ReasonsOfDeadLettersAreTheBrokers) {
  std::vector<std::string> known;
  for (auto reason = core::FailureReason::nack; reason < core::FailureReason::acked;
       reason = static_cast<core::FailureReason>(static_cast<uint8_t>(reason) + 1)) {
    known.emplace_back(core::to_string(reason));
  }
  EXPECT_EQ(dead_letter_reasons(), known);
}

// The result of one event has the code alone, a problem over HTTP the name alone: exit 4 for both.
TEST(CliWords, WhatIsRefusedIsByNameAndByCode) {
  for (const core::ErrorCode refused :
       {core::ErrorCode::limit_reached, core::ErrorCode::unknown_tenant,
        core::ErrorCode::unauthenticated, core::ErrorCode::forbidden,
        core::ErrorCode::tenant_suspended, core::ErrorCode::access_changed,
        core::ErrorCode::bad_authentication, core::ErrorCode::quota_exceeded,
        core::ErrorCode::quota_reached}) {
    const core::ErrorInfo& row = core::info(refused);
    client::Error by_code;
    by_code.code = static_cast<uint16_t>(row.code);
    EXPECT_EQ(exit_code(by_code), kRefused) << row.name;
    client::Error by_name = client::bad_reply("");
    by_name.name = row.name;
    EXPECT_EQ(exit_code(by_name), kRefused) << row.name;
  }
  client::Error other;
  other.code = static_cast<uint16_t>(core::ErrorCode::unknown_topic);
  EXPECT_EQ(exit_code(other), kFailed);
  EXPECT_EQ(exit_code(client::unreachable("")), kUnreachable);
  EXPECT_EQ(exit_code(client::bad_argument("")), kUsage);
}

TEST(CliWords, AStoppedGroupSaysWhatToDo) {
  proto::DescribeGroupOk group;
  group.set_group("g");
  for (const char* state : {"healthy", "degraded", "failing"}) {
    group.set_state(state);
    EXPECT_EQ(stopped_group_text(group), "") << state;
  }
  group.set_state("disabled");
  group.set_state_reason("maintenance");
  EXPECT_EQ(stopped_group_text(group),
            "group g is disabled (maintenance) and delivers nothing: `headrace groups enable g` "
            "lets it go on");
  group.set_state("quarantined");
  group.set_state_reason("");
  group.set_cooldown_ends_us(1);
  EXPECT_EQ(stopped_group_text(group),
            "group g is quarantined and delivers nothing until 1970-01-01T00:00:00.000001Z: "
            "`headrace groups enable g` lets it go on, `headrace groups probe g` tries one event "
            "now");
}

}  // namespace
}  // namespace headrace::cli

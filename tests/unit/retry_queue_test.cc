// Parked events beyond what memory holds: those that are due come first, whatever was parked while
// the next ones were being read.
#include "broker/core/retry_queue.h"

#include <gtest/gtest.h>

#include "broker/limits.h"
#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

TEST(RetryQueue, WhatIsParkedDuringARefillDoesNotHoldWhatIsDue) {
  static_assert(limits::kRetryHeads < 300);  // 600 do not fit into memory, nor 300 twice
  CoreStage stage;
  const auto run = [&](const std::string& command) {
    stage.run(command);
    stage.run("settle");
  };
  run("create orders 1");
  run("declare mail orders from=earliest deadline_s=40000");
  run("attach mail a 2000");
  std::string values;
  for (int i = 0; i < 700; ++i) values += " v" + std::to_string(i);
  run("publish orders 0 durable" + values);
  for (int batch = 0; batch < 2; ++batch) run("take mail a 700");
  run("nack mail a 0 0 599 1 delay_s=100");
  run("enable mail");  // so many failures stop a group
  run("clock +101");
  stage.run("take mail a 250");  // the next ones are being read now
  stage.run("nack mail a 0 600 699 1 delay_s=1000");
  stage.run("enable mail");
  stage.run("settle");
  for (int i = 0; i < 20; ++i) run("take mail a 500");
  stage.take_transcript();
  stage.run("describe mail");
  const std::string described = stage.take_transcript();
  EXPECT_NE(described.find("in flight 600 "), std::string::npos) << described;
}

}  // namespace
}  // namespace headrace::test

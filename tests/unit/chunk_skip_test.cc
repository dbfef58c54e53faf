// A group that wants little of a long log reads little of it: chunks in which nothing can match
// are left out by their rows, over months, for cold reads and whatever was asked before.
#include <gtest/gtest.h>

#include <string>

#include "metrics/counters.h"
#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

uint64_t skipped() {
  return metrics::total(metrics::Counter::fetch_chunks_skipped);
}

// Two events a chunk: the one that finds the chunk ten seconds old closes it.
void publish_chunks(CoreStage* stage, const std::string& type, int count) {
  for (int i = 0; i < count; ++i) {
    stage->run("publish orders 0 durable type=" + type + " " + type);
    stage->run("settle");
    stage->run("clock +11");
    stage->run("settle");
  }
}

std::string take(CoreStage* stage, const std::string& group) {
  stage->take_transcript();
  stage->run("take " + group + " a");
  for (int i = 0; i < 20; ++i) stage->run("settle");
  std::string found;
  const std::string text = stage->take_transcript();
  for (size_t at = 0; (at = text.find("= p0 ", at)) != std::string::npos; ++at) {
    found += text.substr(at, text.find('\n', at) + 1 - at);
  }
  return found;
}

class ChunkSkip : public testing::Test {
 protected:
  ChunkSkip() {
    stage.run("create orders 1");
    stage.run("settle");
  }
  void declare(const std::string& group, const std::string& options) {
    stage.run("declare " + group + " orders from=earliest " + options);
    stage.run("settle");
    stage.run("attach " + group + " a");
    stage.run("settle");
  }
  void forget_recent() {  // nothing is in memory any more
    stage.run("crash 0");
    stage.run("settle");
  }

  CoreStage stage;
};

TEST_F(ChunkSkip, OnlyChunksThatMayMatchAreRead) {
  publish_chunks(&stage, "user.made", 30);
  publish_chunks(&stage, "order.made", 1);
  publish_chunks(&stage, "user.made", 40);
  publish_chunks(&stage, "order.paid", 1);
  forget_recent();
  declare("mail", "filter=order.*");
  const uint64_t before = skipped();
  EXPECT_EQ(take(&stage, "mail"), "= p0 attempt 1: 30=order.made\n");
  EXPECT_EQ(skipped() - before, 15u);
  EXPECT_EQ(take(&stage, "mail"), "= p0 attempt 1: 71=order.paid\n");
  EXPECT_EQ(skipped() - before, 34u);
}

TEST_F(ChunkSkip, MonthsAndTheOpenChunkAreNoEnd) {
  publish_chunks(&stage, "user.made", 5);
  stage.run("clock +40d");
  stage.run("settle");
  publish_chunks(&stage, "user.made", 5);
  publish_chunks(&stage, "order.made", 1);
  stage.run("publish orders 0 durable type=user.made last");
  stage.run("settle");
  forget_recent();
  declare("mail", "filter=order.*");
  EXPECT_EQ(take(&stage, "mail"), "= p0 attempt 1: 10=order.made\n");
  stage.run("ack mail a 0 10 10 1");
  EXPECT_EQ(take(&stage, "mail"), "");
  stage.run("clock +6");  // positions that moved over the unwanted are written lazily
  stage.run("settle");
  stage.take_transcript();
  stage.run("describe mail");
  EXPECT_NE(stage.take_transcript().find("lag 0 in flight 0"), std::string::npos);
}

TEST_F(ChunkSkip, WithoutAFilterNothingIsSkipped) {
  publish_chunks(&stage, "user.made", 3);
  forget_recent();
  declare("all", "");
  const uint64_t before = skipped();
  EXPECT_EQ(take(&stage, "all"), "= p0 attempt 1: 0=user.made\n");
  EXPECT_EQ(skipped(), before);
}

}  // namespace
}  // namespace headrace::test

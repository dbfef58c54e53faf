// Delayed events beyond what a partition keeps in memory: through rows that are read again, puts
// and cancels during reads, and restarts, each comes once, in the order of due times.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/limits.h"
#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

constexpr int64_t kFirstDueUs = 1'701'300'000'000'000 + 1'000 * kMicrosPerSecond;

struct Text {
  std::string value;
  std::string id;
};

std::unique_ptr<core::PublishEvents> delayed(const CoreStage& stage, int64_t due_s, size_t bytes) {
  auto request = std::make_unique<core::PublishEvents>(core::Access::anonymous());
  request->topic = stage.topic("t");
  request->due_us = kFirstDueUs + due_s * kMicrosPerSecond;
  auto text = std::make_shared<Text>();
  text->value = std::to_string(due_s) + std::string(bytes, '.');
  text->id = "id-" + std::to_string(due_s);
  auto& item = request->items.emplace_back();
  item.headers.push_back({"ce_id", text->id});
  item.fields.headers = item.headers;
  item.fields.value = text->value;
  request->message = text;
  return request;
}

std::unique_ptr<core::CancelDelayed> cancel(const CoreStage& stage, int64_t due_s) {
  auto request = std::make_unique<core::CancelDelayed>(core::Access::anonymous());
  request->topic = stage.topic("t");
  request->id = "id-" + std::to_string(due_s);
  return request;
}

// The numbers in the values of the whole log.
std::vector<int64_t> everything(CoreStage* stage) {
  std::vector<int64_t> numbers;
  for (;;) {
    auto request = std::make_unique<core::Fetch>(core::Access::anonymous());
    request->topic = stage->topic("t");
    request->offset = Offset(static_cast<int64_t>(numbers.size()));
    request->max_bytes = 1u << 20;
    const auto fetched = stage->answer(std::move(request));
    EXPECT_FALSE(fetched->error) << fetched->error.message();
    if (fetched->batches.empty()) return numbers;
    const size_t first = numbers.size();
    for (const auto& batch : fetched->batches) {
      const auto header = storage::read_header(batch.bytes.span());
      storage::RecordReader reader(batch.bytes.span().subspan(storage::kBatchHeaderSize), *header);
      storage::RecordView record;
      while (reader.next(&record)) {
        if (header->base_offset + record.offset_delta < static_cast<int64_t>(first)) continue;
        numbers.push_back(std::stoll(std::string(*record.value)));
      }
    }
  }
}

void pass(CoreStage* stage, int64_t seconds, int64_t step_s) {
  for (int64_t at = 0; at < seconds; at += step_s) {
    stage->run("clock +" + std::to_string(step_s));
    stage->run("settle");
  }
}

// Far more than the heads in memory, in any order of due times.
void play(uint64_t seed, size_t bytes) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng prng(seed);
  CoreStage stage;
  stage.run("create t 1");
  stage.run("settle");
  std::vector<int64_t> dues;
  for (int64_t i = 0; i < 1'200; ++i) dues.push_back(i);
  for (size_t i = dues.size(); i > 1; --i) std::swap(dues[i - 1], dues[prng.below(i)]);
  std::vector<int64_t> expected;
  for (size_t i = 0; i < dues.size(); ++i) {
    // Now and then the store stays behind: rows are not durable, reads are under way.
    if (prng.chance(0.3)) {
      ASSERT_FALSE(stage.answer(delayed(stage, dues[i], bytes))->error);
    } else {
      stage.start(delayed(stage, dues[i], bytes));
    }
    expected.push_back(dues[i]);
    if (i != 600) continue;
    stage.run("settle");
    stage.run("crash 0");
  }
  stage.run("settle");
  for (int i = 0; i < 50; ++i) {
    const int64_t due = dues[prng.below(dues.size())];
    const bool there = std::find(expected.begin(), expected.end(), due) != expected.end();
    EXPECT_EQ(!stage.answer(cancel(stage, due))->error, there) << due;
    std::erase(expected, due);
  }
  std::sort(expected.begin(), expected.end());
  pass(&stage, 1'600, 40);
  stage.run("clock +40");  // what is appended now is lost with the power
  stage.run("crash 0");
  pass(&stage, 700, 7);
  EXPECT_EQ(everything(&stage), expected);
  stage.take_transcript();
}

TEST(DelayedQueue, ManySmallOnes) {
  for (uint64_t seed = 1; seed <= 2; ++seed) play(seed, 10);
}

TEST(DelayedQueue, FewFitIntoMemory) {
  play(5, 5'000);
}

}  // namespace
}  // namespace headrace::test

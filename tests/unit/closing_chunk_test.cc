// Chunks that are closed, but whose rows are not durable yet: readers find what is visible of them.
// There is no room for recent batches, so that every read is one of the store.
#include <gtest/gtest.h>

#include <vector>

#include "broker/core/api_history.h"
#include "broker/core/event_query.h"
#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

class ClosingChunkTest : public testing::TestWithParam<const char*> {
 protected:
  ClosingChunkTest() {
    stage.run("tail 1");
    stage.run("crash 0");
    stage.run("create orders 1");
    stage.run("settle");
  }

  void publish(const std::string& type) {
    const std::string number = std::to_string(appended_us.size());
    stage.run("publish orders 0 durable type=" + type + " id=e" + number + " v" + number);
    appended_us.push_back(stage.now().wall_us);
  }
  void publish_visible(const std::string& type) {
    publish(type);
    stage.run("settle");
    visible = static_cast<int64_t>(appended_us.size());
    stage.run("clock +1");
  }
  // Two chunks, of which the second one ends in what nobody may see yet.
  void close_two_chunks() {
    publish_visible("order.made");
    publish_visible("user.made");
    publish_visible("order.paid");
    pass_and_publish();
    publish("order.late");
    pass_and_publish();
  }
  void pass_and_publish() {
    stage.run(std::string("clock +") + GetParam());
    publish("order.late");
  }

  template <class T>
  std::unique_ptr<T> of_topic() {
    auto request = std::make_unique<T>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->shard = request->topic->shard;
    request->partition = PartitionId(0);
    return request;
  }
  static core::FilterPtr only(const std::string& pattern) {
    core::FilterSpec spec;
    spec.patterns = {pattern};
    auto filter = std::make_shared<core::Filter>();
    EXPECT_FALSE(core::Filter::compile(spec, filter.get()));
    return filter;
  }
  std::unique_ptr<core::Fetch> fetch(int64_t offset, core::FilterPtr filter) {
    auto request = of_topic<core::Fetch>();
    request->offset = Offset(offset);
    request->max_bytes = 1;
    request->filters = {filter, filter};
    return stage.answer_meanwhile(std::move(request));
  }
  // What a search finds, page by page.
  std::vector<int64_t> find(const core::EventQuery& query) {
    std::vector<int64_t> offsets;
    Offset before{INT64_MAX};
    for (bool more = true; more;) {
      auto request = of_topic<core::FindEvents>();
      request->query = std::make_shared<core::EventQuery>(query);
      request->before = before;
      request->page_size = 2;
      const auto page = stage.answer_meanwhile(std::move(request));
      EXPECT_FALSE(page->error) << page->error.message();
      for (const auto& found : page->events) offsets.push_back(found.offset.value());
      more = page->more && page->searched_to < before;
      before = page->searched_to;
    }
    return offsets;
  }

  CoreStage stage;
  std::vector<int64_t> appended_us;
  int64_t visible = 0;
};

TEST_P(ClosingChunkTest, EveryVisibleEventIsRead) {
  close_two_chunks();
  for (int64_t offset = 0; offset < visible; ++offset) {
    const auto fetched = fetch(offset, nullptr);
    ASSERT_FALSE(fetched->error) << fetched->error.message();
    EXPECT_EQ(fetched->visible_end, Offset(visible));
    ASSERT_EQ(fetched->batches.size(), 1u);
    EXPECT_EQ(storage::read_header(fetched->batches.front().bytes.span())->base_offset, offset);
  }
}

TEST_P(ClosingChunkTest, AFilterSkipsWhatCannotMatch) {
  close_two_chunks();
  const auto nothing = fetch(0, only("nobody"));
  ASSERT_FALSE(nothing->error) << nothing->error.message();
  EXPECT_TRUE(nothing->batches.empty());
  EXPECT_EQ(nothing->skipped_to, Offset(visible));
  const auto some = fetch(1, only("order.*"));
  ASSERT_FALSE(some->error) << some->error.message();
  EXPECT_EQ(some->batches.size(), 1u);
}

TEST_P(ClosingChunkTest, SearchesFindThem) {
  close_two_chunks();
  EXPECT_EQ(find({}), (std::vector<int64_t>{2, 1, 0}));
  for (int64_t offset = 0; offset < visible; ++offset) {
    core::EventQuery by_id;
    by_id.id = "e" + std::to_string(offset);
    EXPECT_EQ(find(by_id), std::vector<int64_t>{offset});
  }
  core::EventQuery by_type;
  by_type.filter = *only("order.*");
  EXPECT_EQ(find(by_type), (std::vector<int64_t>{2, 0}));
}

TEST_P(ClosingChunkTest, TimesAreFound) {
  close_two_chunks();
  const auto offset_at = [&](int64_t time_us) {
    auto request = of_topic<core::ListOffsets>();
    request->at = core::AppendedAt(time_us);
    const auto found = stage.answer_meanwhile(std::move(request));
    EXPECT_FALSE(found->error) << found->error.message();
    return found->offset.value();
  };
  EXPECT_EQ(offset_at(0), 0);
  for (int64_t offset = 0; offset < visible; ++offset) {
    const int64_t time_us = appended_us[static_cast<size_t>(offset)];
    EXPECT_EQ(offset_at(time_us), offset);
    EXPECT_EQ(offset_at(time_us + 1), offset + 1);
  }
  EXPECT_EQ(offset_at(appended_us.back() + 1), visible);
}

TEST_P(ClosingChunkTest, AllIsFoundOnceTheyAreDurable) {
  close_two_chunks();
  stage.run("settle");
  visible = static_cast<int64_t>(appended_us.size());
  EXPECT_EQ(find({}).size(), appended_us.size());
  for (int64_t offset = 0; offset < visible; ++offset) {
    EXPECT_EQ(fetch(offset, nullptr)->batches.size(), 1u) << offset;
  }
}

// By age; by a new month; by several.
INSTANTIATE_TEST_SUITE_P(Closing, ClosingChunkTest, testing::Values("11", "3d", "40d"),
                         [](const auto& when) { return "After" + std::string(when.param); });

}  // namespace
}  // namespace headrace::test

// The history against a naive one: every event in a vector, searched by hand.
#include "broker/core/event_search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/core_stage.h"
#include "tests/support/prng.h"

namespace headrace::test {
namespace {

using core::EventQuery;

struct Published {
  int64_t offset;
  std::string type;
  std::string value;
  std::string id;
  std::string key;
};

class EventSearchTest : public testing::Test {
 protected:
  EventSearchTest() {
    stage.run("create orders 1");
    stage.run("settle");
  }

  void publish(const std::string& type, const std::string& id = "", const std::string& key = "") {
    const std::string value = "v" + std::to_string(log.size());
    stage.run("publish orders 0 durable type=" + type + (id.empty() ? "" : " id=" + id) +
              (key.empty() ? "" : " key=" + key) + " " + value);
    stage.run("settle");
    log.push_back({static_cast<int64_t>(log.size()), type, value, id, key});
  }
  void pass(const std::string& time) {
    stage.run("clock +" + time);
    stage.run("settle");
  }
  static core::EventQueryPtr of_types(const std::vector<std::string>& patterns) {
    auto query = std::make_shared<EventQuery>();
    core::FilterSpec spec;
    spec.patterns = patterns;
    EXPECT_FALSE(core::Filter::compile(spec, &query->filter));
    return query;
  }
  std::unique_ptr<core::FindEvents> ask(const core::EventQueryPtr& query, Offset before,
                                        uint32_t page_size) {
    auto request = std::make_unique<core::FindEvents>(core::Access::node(kDefaultTenant));
    request->topic = stage.topic("orders");
    request->shard = request->topic->shard;
    request->partition = PartitionId(0);
    request->query = query;
    request->before = before;
    request->page_size = page_size;
    return stage.answer(std::move(request));
  }
  // All pages; checks each one's promises.
  std::vector<int64_t> all(const core::EventQueryPtr& query, uint32_t page_size) {
    std::vector<int64_t> offsets;
    Offset before{INT64_MAX};
    for (int pages = 0; pages < 1'000; ++pages) {
      const auto page = ask(query, before, page_size);
      EXPECT_FALSE(page->error) << page->error.message();
      EXPECT_LE(page->events.size(), page_size);
      for (const auto& found : page->events) {
        EXPECT_LT(found.offset, before);
        EXPECT_GE(found.offset, page->searched_to);
        check(found);
        offsets.push_back(found.offset.value());
      }
      if (!page->more) return offsets;
      EXPECT_LT(page->searched_to, before) << "no progress";
      before = page->searched_to;
    }
    ADD_FAILURE() << "pages without end";
    return offsets;
  }
  void check(const core::FoundEvent& found) const {
    const auto header = storage::read_header(found.event.span());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->base_offset, found.offset.value());
    EXPECT_EQ(header->record_count, 1);
    storage::RecordReader reader(found.event.span().subspan(storage::kBatchHeaderSize), *header);
    storage::RecordView record;
    ASSERT_TRUE(reader.next(&record));
    EXPECT_EQ(record.value, log[static_cast<size_t>(found.offset.value())].value);
  }
  template <class Wanted>
  std::vector<int64_t> naive(Wanted wanted) const {
    std::vector<int64_t> offsets;
    for (auto event = log.rbegin(); event != log.rend(); ++event) {
      if (wanted(*event)) offsets.push_back(event->offset);
    }
    return offsets;
  }

  CoreStage stage;
  std::vector<Published> log;
};

TEST_F(EventSearchTest, AllPagesTogetherAreTheLogBackwards) {
  const auto rare = [](const Published& event) { return event.type == "order.made"; };
  Prng prng(7);
  for (int i = 0; i < 120; ++i) {
    publish(prng.below(10) == 0 ? "order.made" : "user.made");
    if (prng.below(3) == 0) pass("11");  // a new chunk
    if (i == 40 || i == 80) pass("40d");
  }
  for (const bool restarted : {false, true}) {
    if (restarted) stage.run("crash 0");
    for (const uint32_t page_size : {1u, 7u, 100u}) {
      EXPECT_EQ(all(of_types({}), page_size), naive([](const auto&) { return true; }));
      EXPECT_EQ(all(of_types({"order.*"}), page_size), naive(rare));
      EXPECT_EQ(all(of_types({"nobody"}), page_size), std::vector<int64_t>());
    }
  }
}

TEST_F(EventSearchTest, TimesBoundWhatIsLookedAt) {
  std::vector<int64_t> appended;
  for (int i = 0; i < 30; ++i) {
    publish("t");
    appended.push_back(stage.now().wall_us);
    pass(i == 15 ? "40d" : "7");
  }
  for (const size_t from : {0u, 3u, 16u, 29u}) {
    for (const size_t to : {1u, 10u, 16u, 29u}) {
      if (to <= from) continue;
      EventQuery query;
      query.from_us = appended[from];
      query.to_us = appended[to];
      EXPECT_EQ(all(std::make_shared<EventQuery>(query), 4), naive([&](const Published& event) {
                  const auto offset = static_cast<size_t>(event.offset);
                  return offset >= from && offset < to;
                }))
          << from << " to " << to;
    }
  }
}

// Ids, correlation ids and keys, in a log whose chunks have look-up rows, have none, or in part.
TEST_F(EventSearchTest, LookupsFindWhatIsThereWithAndWithoutTheirRows) {
  Prng prng(11);
  const auto publish_some = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto number = std::to_string(log.size());
      publish("type" + std::to_string(prng.below(12)), prng.below(3) == 0 ? "" : "e" + number,
              prng.below(4) == 0 ? "" : "k" + std::to_string(prng.below(9)));
      if (prng.below(4) == 0) pass("11");  // a new chunk
    }
  };
  const auto check_all = [&](const std::string& when) {
    for (const std::string id : {"e0", "e1", "e7", "e33", "e59", "e60", "e90", "e119", "e150"}) {
      EventQuery by_id;
      by_id.id = id;
      EventQuery by_correlation;
      by_correlation.correlation_id = id;
      const auto wanted = naive([&](const auto& event) { return event.id == id; });
      EXPECT_EQ(all(std::make_shared<EventQuery>(by_id), 3), wanted) << id << when;
      EXPECT_EQ(all(std::make_shared<EventQuery>(by_correlation), 3), wanted) << id << when;
    }
    for (const std::string key : {"k0", "k5", "k8", "k9"}) {
      EventQuery by_key;
      by_key.key = key;
      EXPECT_EQ(all(std::make_shared<EventQuery>(by_key), 4),
                naive([&](const auto& event) { return event.key == key; }))
          << key << when;
    }
    for (const std::string type : {"type1", "type11"}) {
      EXPECT_EQ(all(of_types({type}), 2),
                naive([&](const auto& event) { return event.type == type; }))
          << type << when;
    }
  };
  publish_some(60);
  pass("40d");
  publish_some(30);
  check_all(" with rows");
  stage.run("crash 0");
  check_all(" with rows, started again");
  stage.forget_lookup_rows();
  stage.run("crash 0");
  check_all(" without rows");
  publish_some(60);
  check_all(" with rows for the newer half");
  stage.run("crash 0");
  check_all(" with rows for the newer half, started again");
}

TEST_F(EventSearchTest, OnlyWhatIsCommittedIsFound) {
  publish("t");
  stage.run("publish orders 0 durable type=t unsynced");
  EXPECT_EQ(ask(of_types({}), Offset(INT64_MAX), 10)->events.size(), 1u);
}

TEST_F(EventSearchTest, AnEmptyLogHasNoHistory) {
  const auto page = ask(of_types({}), Offset(INT64_MAX), 10);
  EXPECT_TRUE(page->events.empty());
  EXPECT_FALSE(page->more);
}

}  // namespace
}  // namespace headrace::test

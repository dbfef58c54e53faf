// What MemStore has beyond the Store contract (tests/conformance): stages, faults, power cuts.
#include "storage/mem_store.h"

#include <gtest/gtest.h>

#include <memory>

namespace headrace::storage {
namespace {

const Place kStatePlace{.table = Table::state};

class QueueSink final : public CompletionSink {
 public:
  void post(Completion* completion) noexcept override { posted_.push_back(completion); }
  size_t run() {
    const auto posted = std::exchange(posted_, {});
    for (Completion* completion : posted) completion->run();
    return posted.size();
  }

 private:
  std::vector<Completion*> posted_;
};

struct CountedCompletion : Completion {
  void run() override { ++runs; }
  int runs = 0;
};
struct CountedCommit : Commit {
  void run() override { ++runs; }
  CountedCompletion on_written;
  int runs = 0;
};
struct CountedRead : Read {
  void run() override { ++runs; }
  int runs = 0;
};

class MemStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<CountedCommit> submit(uint64_t sequence, std::string value, uint16_t shard = 1) {
    auto commit = std::make_unique<CountedCommit>();
    commit->set.shard = ShardId(shard);
    commit->set.sequence = sequence;
    commit->set.put(kStatePlace, Key("k" + std::to_string(shard)), std::move(value));
    commit->sink = &sink_;
    commit->written = &commit->on_written;
    store_->commit(commit.get());
    return commit;
  }
  std::optional<std::string> get(const Key& key) {
    CountedRead read;
    read.items.push_back({kStatePlace, key, {}, false});
    read.sink = &sink_;
    store_->read(&read);
    store_->answer_reads();
    sink_.run();
    EXPECT_EQ(read.runs, 1);
    return read.items[0].found ? std::optional(std::string(read.items[0].value.view()))
                               : std::nullopt;
  }
  void restart() { store_ = std::make_unique<MemStore>(&disk_); }

  QueueSink sink_;
  MemStore::Disk disk_;
  std::unique_ptr<MemStore> store_ = std::make_unique<MemStore>(&disk_);
};

TEST_F(MemStoreTest, ASetGoesThroughItsStages) {
  const auto commit = submit(1, "v");
  EXPECT_EQ(sink_.run(), 0u);
  EXPECT_EQ(store_->pressure().in_flight_bytes, commit->set.bytes());
  store_->write_pending();
  sink_.run();
  EXPECT_EQ(commit->on_written.runs, 1);
  EXPECT_EQ(commit->runs, 0);
  EXPECT_EQ(store_->unsynced(), 1u);
  EXPECT_EQ(get(Key("k1")), std::nullopt) << "not visible before it is synced";
  store_->sync();
  sink_.run();
  EXPECT_EQ(commit->runs, 1);
  EXPECT_EQ(commit->on_written.runs, 1);
  EXPECT_EQ(get(Key("k1")), "v");
  EXPECT_EQ(store_->pressure().in_flight_bytes, 0u);
  EXPECT_EQ(disk_.applied[ShardId(1)], 1u);
  EXPECT_TRUE(store_->idle());
}

TEST_F(MemStoreTest, ACrashKeepsAsManyAsTold) {
  for (const size_t keep : {0, 2, 3}) {
    disk_ = {};
    restart();
    const auto first = submit(1, "synced");
    store_->settle();
    const auto a = submit(2, "2");
    const auto b = submit(3, "3");
    const auto c = submit(4, "4");
    store_->write_pending();
    const auto never_written = submit(5, "5");
    store_->crash(keep);
    restart();
    store_->settle();
    EXPECT_EQ(get(Key("k1")), keep == 0 ? "synced" : std::to_string(1 + keep));
    EXPECT_EQ(a->runs + b->runs + c->runs + never_written->runs, 0);
    sink_.run();
  }
}

TEST_F(MemStoreTest, WhatIsWrittenSurvivesTheProcess) {
  const auto commit = submit(1, "v");
  store_->write_pending();
  restart();
  EXPECT_EQ(get(Key("k1")), "v");
}

TEST_F(MemStoreTest, AFailureTakesWhatFollowsInTheShardAlong) {
  store_->fail_next_commit(Status::full);
  const auto failed = submit(1, "a");
  const auto follows = submit(2, "b");
  const auto other = submit(1, "c", 2);
  store_->settle();
  sink_.run();
  EXPECT_EQ(failed->status, Status::full);
  EXPECT_EQ(failed->on_written.runs, 0);
  EXPECT_EQ(follows->status, Status::full);
  EXPECT_EQ(other->status, Status::ok);
  EXPECT_EQ(get(Key("k1")), std::nullopt);
  EXPECT_EQ(get(Key("k2")), "c");
  const auto too_early = submit(2, "before the shard has loaded again");
  store_->settle();
  EXPECT_EQ(too_early->status, Status::full);
  EXPECT_EQ(get(applied_key(ShardId(1))), std::nullopt);
  const auto again = submit(1, "again");
  store_->settle();
  sink_.run();
  EXPECT_EQ(again->status, Status::ok);
  EXPECT_EQ(get(Key("k1")), "again");
}

TEST_F(MemStoreTest, AnUnknownSetMayHaveBeenApplied) {
  store_->fail_next_commit(Status::unknown, true);
  const auto commit = submit(1, "applied");
  store_->settle();
  sink_.run();
  EXPECT_EQ(commit->status, Status::unknown);
  EXPECT_EQ(get(Key("k1")), "applied");
  EXPECT_EQ(disk_.applied[ShardId(1)], 1u);
  store_->fail_next_commit(Status::unknown, false);
  get(applied_key(ShardId(1)));
  const auto lost = submit(2, "lost");
  store_->settle();
  sink_.run();
  EXPECT_EQ(lost->status, Status::unknown);
  EXPECT_EQ(get(Key("k1")), "applied");
}

TEST_F(MemStoreTest, PressureSaysWhenPublishesStop) {
  store_->set_budget(1);
  EXPECT_TRUE(store_->pressure().takes_publishes());
  const auto commit = submit(1, "v");
  EXPECT_FALSE(store_->pressure().takes_publishes());
  store_->settle();
  EXPECT_TRUE(store_->pressure().takes_publishes());
  store_->set_disk_state(Pressure::Disk::low);
  EXPECT_FALSE(store_->pressure().takes_publishes());
  sink_.run();
}

using MemStoreDeathTest = MemStoreTest;

TEST_F(MemStoreDeathTest, AGapInASequenceIsABug) {
  const auto commit = submit(2, "v");
  EXPECT_DEATH(store_->write_pending(), "a gap in the sequence");
}

TEST_F(MemStoreDeathTest, AWriteToAMonthWithoutFamilyIsABug) {
  CountedCommit commit;
  commit.set.sequence = 1;
  commit.set.put({Table::log, Month(202611), TenantId(1)}, Key("k"), "v");
  commit.sink = &sink_;
  store_->commit(&commit);
  EXPECT_DEATH(store_->write_pending(), "a month without a family");
}

TEST_F(MemStoreDeathTest, NothingMayBeAskedAfterACrash) {
  store_->crash(0);
  CountedRead read;
  read.sink = &sink_;
  EXPECT_DEATH(store_->read(&read), "dead_");
}

}  // namespace
}  // namespace headrace::storage

// The committer and the syncer with real threads: grouping, lazy syncs, fencing, order under many
// submitters, failure. Durability itself: tests/conformance/store_power_cut_test.cc.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "metrics/counters.h"
#include "tests/support/rocks_harness.h"
#include "tests/support/unsynced_fs.h"

namespace headrace::storage {
namespace {

using test::open_store;
using test::TestCommit;
using test::TestSink;

constexpr Month kMonth{202605};

WriteSet make_set(uint16_t shard, uint64_t sequence, Durability durability, size_t bytes = 100,
                  TenantId tenant = TenantId(1)) {
  WriteSet set;
  set.shard = ShardId(shard);
  set.sequence = sequence;
  set.durability = durability;
  const PartitionKey partition{tenant, TopicId(shard), SliceId(0), PartitionId(0)};
  set.put_batch({Table::log, kMonth, tenant},
                log_key(LogKind::batch, partition, Offset(static_cast<int64_t>(sequence))),
                Envelope{}, SharedBytes::allocate(bytes));
  return set;
}

class CommitterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = open_store(options_);
    ASSERT_NE(store_, nullptr);
    ASSERT_EQ(test::create_month(*store_, sink_, kMonth), Status::ok);
  }

  test::TemporaryDirectory dir_;
  RocksOptions options_ = test::small_rocks_options(dir_.path());
  TestSink sink_;
  std::unique_ptr<RocksStore> store_;
};

TEST_F(CommitterTest, ALoneDurableSetIsSyncedOnce) {
  const uint64_t syncs = metrics::total(metrics::Counter::syncs);
  const uint64_t groups = metrics::total(metrics::Counter::commit_groups);
  ASSERT_EQ(test::commit(*store_, sink_, make_set(0, 1, Durability::durable)), Status::ok);
  EXPECT_EQ(metrics::total(metrics::Counter::syncs), syncs + 1);
  EXPECT_EQ(metrics::total(metrics::Counter::commit_groups), groups + 1);
  EXPECT_EQ(store_->pressure().in_flight_bytes, 0u);
}

TEST_F(CommitterTest, SetsNobodyWantsDurableAreSyncedAllTheSame) {
  ASSERT_EQ(test::commit(*store_, sink_, make_set(0, 1, Durability::memory)), Status::ok);
  ASSERT_EQ(test::commit(*store_, sink_, make_set(0, 2, Durability::written)), Status::ok);
}

TEST_F(CommitterTest, AReadDoesNotWaitForTheLazySync) {
  TestCommit lazy;
  lazy.set = make_set(0, 1, Durability::memory);
  lazy.sink = &sink_;
  store_->commit(&lazy);
  // Each of these shows synced rows only; in the end the row is among them.
  const Place place{Table::state};
  sink_.run_until([&] { return test::read(*store_, sink_, place, applied_key(ShardId(0))).found; });
  sink_.run_until([&] { return lazy.done; });
}

TEST_F(CommitterTest, AnEpochRowFencesOlderOwners) {
  WriteSet raise = make_set(0, 1, Durability::durable);
  raise.epoch = Epoch(2);
  raise.put({Table::state}, epoch_key(ShardId(0)), std::string("\0\0\0\2", 4));
  ASSERT_EQ(test::commit(*store_, sink_, std::move(raise)), Status::ok);
  WriteSet stale = make_set(0, 2, Durability::durable);
  stale.epoch = Epoch(1);
  EXPECT_EQ(test::commit(*store_, sink_, std::move(stale)), Status::fenced);
  WriteSet owner = make_set(0, 2, Durability::durable);
  owner.epoch = Epoch(2);
  EXPECT_EQ(test::commit(*store_, sink_, std::move(owner)), Status::ok);
  store_.reset();
  store_ = open_store(options_);
  WriteSet late = make_set(0, 3, Durability::durable);
  late.epoch = Epoch(1);
  EXPECT_EQ(test::commit(*store_, sink_, std::move(late)), Status::fenced) << "after a restart";
}

TEST_F(CommitterTest, AGapInTheSequenceIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(test::commit(*store_, sink_, make_set(5, 2, Durability::durable)),
               "check failed: set.sequence == state.applied \\+ 1");
}

TEST_F(CommitterTest, GroupNumbersRunOnOverARestart) {
  ASSERT_EQ(test::commit(*store_, sink_, make_set(0, 1, Durability::durable)), Status::ok);
  const uint64_t last = store_->info().last_group;
  EXPECT_GT(last, 0u);
  store_.reset();
  store_ = open_store(options_);
  EXPECT_EQ(store_->info().last_group, last);
  ASSERT_EQ(test::commit(*store_, sink_, make_set(0, 2, Durability::durable)), Status::ok);
  EXPECT_EQ(store_->info().last_group, last + 1);
}

// One submitting thread with shards of its own: what a reactor is to the store.
class Submitter {
 public:
  Submitter(Store* store, uint16_t first_shard) : store_(store), first_shard_(first_shard) {}

  void run(uint64_t sets_per_shard) {
    constexpr size_t kWindow = 4;
    constexpr uint16_t kOwned = 3;
    std::vector<std::unique_ptr<TestCommit>> window[kOwned];
    uint64_t submitted[kOwned] = {};
    uint64_t completed[kOwned] = {};
    const auto finished = [&] {
      for (const uint64_t count : completed) {
        if (count < sets_per_shard) return false;
      }
      return true;
    };
    while (!finished()) {
      for (uint16_t i = 0; i < kOwned; ++i) {
        while (window[i].size() < kWindow && submitted[i] < sets_per_shard) {
          auto commit = std::make_unique<TestCommit>();
          const auto durability = static_cast<Durability>(submitted[i] % 3);
          const auto shard = static_cast<uint16_t>(first_shard_ + i);
          ++submitted[i];
          commit->set = make_set(shard, submitted[i], durability, 100 + submitted[i] % 7 * 9'000);
          commit->sink = &sink_;
          store_->commit(commit.get());
          window[i].push_back(std::move(commit));
        }
      }
      sink_.run_until([&] {
        bool progress = false;
        for (uint16_t i = 0; i < kOwned; ++i) {
          // In order: a later set is never done before an earlier one.
          for (size_t k = 1; k < window[i].size(); ++k) {
            in_order_ &= window[i][k - 1]->done || !window[i][k]->done;
          }
          while (!window[i].empty() && window[i].front()->done) {
            in_order_ &= window[i].front()->status == Status::ok;
            window[i].erase(window[i].begin());
            ++completed[i];
            progress = true;
          }
        }
        return progress;
      });
    }
  }
  bool in_order() const { return in_order_; }

 private:
  Store* const store_;
  const uint16_t first_shard_;
  TestSink sink_;
  bool in_order_ = true;
};

TEST_F(CommitterTest, ManySubmittersKeepTheOrderOfEachShard) {
  constexpr uint64_t kSets = 60;
  std::vector<std::unique_ptr<Submitter>> submitters;
  for (uint16_t i = 0; i < 3; ++i) {
    submitters.push_back(std::make_unique<Submitter>(store_.get(), static_cast<uint16_t>(i * 10)));
  }
  std::vector<std::thread> threads;
  for (auto& submitter : submitters) {
    threads.emplace_back([&] { submitter->run(kSets); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& submitter : submitters) EXPECT_TRUE(submitter->in_order());
  const auto applied = test::read(*store_, sink_, {Table::state}, applied_key(ShardId(12)));
  EXPECT_EQ(applied.value, std::string("\0\0\0\0\0\0\0", 7) + static_cast<char>(kSets));
  EXPECT_EQ(store_->pressure().in_flight_bytes, 0u);
}

TEST_F(CommitterTest, ClosingCompletesWhatWasSubmitted) {
  std::vector<std::unique_ptr<TestCommit>> commits;
  for (uint64_t sequence = 1; sequence <= 40; ++sequence) {
    commits.push_back(std::make_unique<TestCommit>());
    commits.back()->set = make_set(0, sequence, static_cast<Durability>(sequence % 3), 50'000);
    commits.back()->sink = &sink_;
    store_->commit(commits.back().get());
  }
  store_.reset();
  sink_.run_posted();
  for (const auto& commit : commits) EXPECT_TRUE(commit->done);
}

TEST_F(CommitterTest, AFailedWriteCompletesNothingAndNamesTheFile) {
  auto disk = std::make_shared<test::UnsyncedFs>(1);
  std::atomic<int> code{0};
  std::string why;
  test::TemporaryDirectory dir;
  RocksOptions options = test::small_rocks_options(dir.path());
  options.file_system = disk;
  options.on_fatal = [&](int exit_code, std::string_view text) {
    if (code.load() != 0) return;
    why = text;
    code.store(exit_code);
  };
  auto store = open_store(options);
  ASSERT_EQ(test::create_month(*store, sink_, kMonth), Status::ok);
  disk->cut_now();
  TestCommit lost;
  lost.set = make_set(0, 1, Durability::durable);
  lost.sink = &sink_;
  store->commit(&lost);
  sink_.run_until([&] { return code.load() != 0; });
  store.reset();
  sink_.run_posted();
  EXPECT_FALSE(lost.done);
  EXPECT_NE(why.find(".log"), std::string::npos) << why;
}

// Syncs of the log wait at a gate.
class GatedFs final : public rocksdb::FileSystemWrapper {
 public:
  GatedFs() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "GatedFs"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    const auto status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok() && path.ends_with(".log"))
      *file = std::make_unique<Log>(std::move(*file), this);
    return status;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    moved_.notify_all();
  }
  void wait_for_a_sync() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  struct Log final : rocksdb::FSWritableFileOwnerWrapper {
    Log(std::unique_ptr<rocksdb::FSWritableFile> file, GatedFs* of)
        : FSWritableFileOwnerWrapper(std::move(file)), fs(of) {}
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      fs->pass();
      return FSWritableFileOwnerWrapper::Sync(options, debug);
    }
    GatedFs* const fs;
  };
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    moved_.notify_all();
    moved_.wait(lock, [this] { return !closed_; });
    --waiting_;
  }

  std::mutex mutex_;
  std::condition_variable moved_;
  bool closed_ = false;
  int waiting_ = 0;
};

// While several tenants publish each has one turn in front of the next sync, so that what one
// tenant publishes does not wait for two syncs behind another's.
TEST_F(CommitterTest, WhatAnotherTenantPublishesJoinsWhatWaitsForTheSync) {
  struct Notice final : Completion {
    void run() override { done = true; }
    bool done = false;
  };
  const auto disk = std::make_shared<GatedFs>();
  store_.reset();
  options_.file_system = disk;
  store_ = open_store(options_);
  ASSERT_NE(store_, nullptr);
  const TenantId other(2);
  disk->close();
  TestCommit first;  // too large for the committer to sync it itself; its sync waits at the gate
  first.set = make_set(1, 1, Durability::durable, 64u << 10);
  first.sink = &sink_;
  store_->commit(&first);
  disk->wait_for_a_sync();
  TestCommit large[3];  // of one tenant: more than a group holds
  for (uint64_t i = 0; i < 3; ++i) {
    large[i].set = make_set(2, i + 1, Durability::durable, 2u << 20, other);
    large[i].sink = &sink_;
    store_->commit(&large[i]);
  }
  TestCommit joins;
  Notice written;
  joins.set = make_set(1, 2, Durability::durable);
  joins.sink = &sink_;
  joins.written = &written;
  store_->commit(&joins);
  sink_.run_until([&] { return written.done; });
  EXPECT_FALSE(first.done || joins.done) << "nothing was synced yet";
  disk->open();
  sink_.run_until([&] { return first.done && large[2].done && joins.done; });
  EXPECT_EQ(joins.status, Status::ok);
}

TEST_F(CommitterTest, TooManyReadsAnswerFull) {
  // A queue of length zero has no room for any.
  store_.reset();
  options_.max_queued_reads = 0;
  store_ = open_store(options_);
  EXPECT_EQ(test::read(*store_, sink_, {Table::state}, applied_key(ShardId(0))).status,
            Status::full);
}

}  // namespace
}  // namespace headrace::storage

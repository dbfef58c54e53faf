// The committer and the syncer with real threads: grouping, lazy syncs, fencing, order under many
// submitters, failure. Durability itself: tests/conformance/store_power_cut_test.cc.
#include <gtest/gtest.h>

#include <atomic>
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

WriteSet make_set(uint16_t shard, uint64_t sequence, Durability durability, size_t bytes = 100) {
  WriteSet set;
  set.shard = ShardId(shard);
  set.sequence = sequence;
  set.durability = durability;
  const PartitionKey partition{TenantId(1), TopicId(shard), SliceId(0), PartitionId(0)};
  set.put_batch({Table::log, kMonth, TenantId(1)},
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

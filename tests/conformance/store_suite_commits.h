// Part of store_suite.h: order, atomicity, sequences, epochs, crashes.
#pragma once

#include "tests/conformance/store_suite.h"

namespace headrace::conformance {

TYPED_TEST_SUITE_P(StoreSuite);

TYPED_TEST_P(StoreSuite, SetsOfAShardCompleteInOrder) {
  std::vector<std::string> log;
  std::vector<std::unique_ptr<LoggedCommit>> commits;
  for (uint64_t sequence = 1; sequence <= 30; ++sequence) {
    for (uint32_t shard = 0; shard < 3; ++shard) {
      const auto durability = static_cast<Durability>((sequence + shard) % 3);
      WriteSet set = set_of(shard, sequence, durability);
      set.put(kState, row_key(1, shard), std::to_string(sequence));
      commits.push_back(
          std::make_unique<LoggedCommit>(std::move(set), std::to_string(shard), &log));
      commits.back()->sink = &this->harness_.sink();
      this->harness_.store().commit(commits.back().get());
    }
  }
  size_t completed = 0;
  this->harness_.run_until([&] {
    // In the order submitted: the first that is not done has only such behind it in its shard.
    for (size_t shard = 0; shard < 3; ++shard) {
      bool open = false;
      for (size_t i = shard; i < commits.size(); i += 3) {
        EXPECT_FALSE(open && commits[i]->done) << "set " << i << " overtook another";
        open = open || !commits[i]->done;
      }
    }
    completed = static_cast<size_t>(
        std::count_if(commits.begin(), commits.end(), [](const auto& c) { return c->done; }));
    return completed == commits.size();
  });
  for (const auto& commit : commits) EXPECT_EQ(commit->status, Status::ok);
  for (uint32_t shard = 0; shard < 3; ++shard) {
    EXPECT_EQ(this->read(kState, row_key(1, shard)), "30");
    EXPECT_EQ(this->applied(shard), 30u);
  }
}

TYPED_TEST_P(StoreSuite, WrittenComesBeforeSynced) {
  std::vector<std::string> log;
  for (const Durability durability :
       {Durability::memory, Durability::written, Durability::durable}) {
    log.clear();
    WriteSet set = set_of(1, 1 + static_cast<uint64_t>(durability), durability);
    set.put(kState, row_key(1, 1), "x");
    LoggedCommit commit(std::move(set), "a", &log);
    commit.sink = &this->harness_.sink();
    this->harness_.store().commit(&commit);
    this->harness_.run_until([&] { return commit.done; });
    EXPECT_EQ(log, (std::vector<std::string>{"written a", "synced a"}));
  }
}

TYPED_TEST_P(StoreSuite, ASetIsAppliedWhole) {
  WriteSet set = set_of(5, 1);
  set.put(kState, row_key(1, 0), "state");
  set.put(kOffsets, offsets_key(partition_of(1), GroupId(1), LaneId(0)), "offset");
  set.put({.table = Table::audit}, Key("audit"), "");
  set.put(log_of(1), log_key(LogKind::chunk, partition_of(1), Offset(0)), "pooled");
  set.put(log_of(7), log_key(LogKind::chunk, partition_of(7), Offset(0)), "dedicated");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  EXPECT_EQ(this->read(kState, row_key(1, 0)), "state");
  EXPECT_EQ(this->read(kOffsets, offsets_key(partition_of(1), GroupId(1), LaneId(0))), "offset");
  EXPECT_EQ(this->read({.table = Table::audit}, Key("audit")), "");
  EXPECT_EQ(this->read(log_of(1), log_key(LogKind::chunk, partition_of(1), Offset(0))), "pooled");
  EXPECT_EQ(this->read(log_of(7), log_key(LogKind::chunk, partition_of(7), Offset(0))),
            "dedicated");
}

TYPED_TEST_P(StoreSuite, TheLastPutOfAKeyWins) {
  WriteSet set = set_of(1, 1);
  set.put(kState, row_key(1, 1), "first");
  set.put(kState, row_key(1, 1), "second");
  set.remove(kState, row_key(1, 2));
  set.put(kState, row_key(1, 2), "after removal");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  EXPECT_EQ(this->read(kState, row_key(1, 1)), "second");
  EXPECT_EQ(this->read(kState, row_key(1, 2)), "after removal");
  WriteSet next = set_of(1, 2);
  next.put(kState, row_key(1, 1), "third");
  ASSERT_EQ(this->commit(std::move(next)), Status::ok);
  EXPECT_EQ(this->read(kState, row_key(1, 1)), "third");
}

TYPED_TEST_P(StoreSuite, RemovalsRemoveExactlyWhatTheyName) {
  WriteSet set = set_of(1, 1);
  for (int64_t i = 0; i < 10; ++i) set.put(kState, row_key(1, i), std::to_string(i));
  set.put(kOffsets, row_key(1, 4), "another table");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  WriteSet removal = set_of(1, 2);
  removal.remove(kState, row_key(1, 0));
  removal.remove(kState, row_key(1, 77));
  removal.remove_range(kState, row_key(1, 3), row_key(1, 7));
  removal.put(kState, row_key(1, 5), "put after the range");
  ASSERT_EQ(this->commit(std::move(removal)), Status::ok);
  std::vector<std::string> left;
  for (const Row& row : this->all(kState, state_prefix(StateKind::months, partition_of(1)))) {
    left.push_back(row.second);
  }
  EXPECT_EQ(left, (std::vector<std::string>{"1", "2", "put after the range", "7", "8", "9"}));
  EXPECT_EQ(this->read(kOffsets, row_key(1, 4)), "another table");
}

TYPED_TEST_P(StoreSuite, TheAppliedRowIsTheSequence) {
  EXPECT_EQ(this->applied(63), 0u);
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    ASSERT_EQ(this->commit(set_of(63, sequence)), Status::ok);  // an empty set counts, too
    EXPECT_EQ(this->applied(63), sequence);
  }
  EXPECT_EQ(this->applied(62), 0u);
  this->harness_.reopen();
  EXPECT_EQ(this->applied(63), 3u);
  EXPECT_EQ(this->commit(set_of(63, 4)), Status::ok);
}

TYPED_TEST_P(StoreSuite, ARepeatedSequenceIsSkipped) {
  for (const char* value : {"first", "repeat"}) {
    WriteSet set = set_of(1, 1);
    set.put(kState, row_key(1, 1), value);
    ASSERT_EQ(this->commit(std::move(set)), Status::ok);
    EXPECT_EQ(this->read(kState, row_key(1, 1)), "first");
  }
  this->harness_.reopen();
  WriteSet again = set_of(1, 1);
  again.put(kState, row_key(1, 1), "repeat after a restart");
  ASSERT_EQ(this->commit(std::move(again)), Status::ok);
  EXPECT_EQ(this->read(kState, row_key(1, 1)), "first");
  EXPECT_EQ(this->applied(1), 1u);
}

TYPED_TEST_P(StoreSuite, AnOlderEpochIsFenced) {
  const auto epoch_set = [](uint32_t epoch, uint64_t sequence) {
    WriteSet set = set_of(1, sequence);
    set.epoch = Epoch(epoch);
    return set;
  };
  std::string two;
  append_be(&two, uint32_t{2});
  WriteSet takeover = epoch_set(2, 1);
  takeover.put(kState, epoch_key(ShardId(1)), two);
  ASSERT_EQ(this->commit(std::move(takeover)), Status::ok);
  for (int round = 0; round < 2; ++round) {
    WriteSet late = epoch_set(1, 2);
    late.put(kState, row_key(1, 1), "too late");
    EXPECT_EQ(this->commit(std::move(late)), Status::fenced);
    EXPECT_EQ(this->read(kState, row_key(1, 1)), std::nullopt);
    this->harness_.reopen();
  }
  EXPECT_EQ(this->applied(1), 1u);
  EXPECT_EQ(this->commit(epoch_set(2, 2)), Status::ok);
  EXPECT_EQ(this->commit(set_of(2, 1)), Status::ok) << "epochs are each shard's own";
}

TYPED_TEST_P(StoreSuite, NothingIsInFlightAtTheEnd) {
  WriteSet set = set_of(1, 1);
  set.put(kState, row_key(1, 1), std::string(10'000, 'x'));
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  const Pressure pressure = this->harness_.store().pressure();
  EXPECT_EQ(pressure.in_flight_bytes, 0u);
  EXPECT_GT(pressure.budget_bytes, 0u);
  EXPECT_EQ(pressure.disk, Pressure::Disk::ok);
  EXPECT_TRUE(pressure.takes_publishes());
}

TYPED_TEST_P(StoreSuite, NoScanShowsWhatACrashTakes) {
  uint64_t sequence = 0;
  for (uint64_t round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<test::TestCommit>> commits;
    for (int i = 0; i < 5; ++i) {
      commits.push_back(std::make_unique<test::TestCommit>());
      commits.back()->set = set_of(1, ++sequence, static_cast<Durability>(i % 3));
      commits.back()->set.put(kState, row_key(1, static_cast<int64_t>(sequence)), "x");
      commits.back()->sink = &this->harness_.sink();
      this->harness_.store().commit(commits.back().get());
    }
    test::TestScan scan;
    const Key prefix = state_prefix(StateKind::months, partition_of(1));
    this->scan_of(&scan, kState, prefix, prefix.after_prefix());
    this->run(&scan);
    const std::vector<Row> shown = this->rows_of(scan);
    this->harness_.crash(round);
    const std::vector<Row> kept = this->all(kState, prefix);
    ASSERT_GE(kept.size(), shown.size());
    EXPECT_TRUE(std::equal(shown.begin(), shown.end(), kept.begin())) << "round " << round;
    sequence = this->applied(1);
    EXPECT_EQ(kept.size(), sequence);
  }
}

TYPED_TEST_P(StoreSuite, ACrashKeepsAPrefixWithEverySyncedSet) {
  std::map<uint32_t, uint64_t> sequence;
  for (uint64_t round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<test::TestCommit>> commits;
    for (uint32_t i = 0; i < 12; ++i) {
      if (i == 6) this->harness_.run_until([&] { return commits[round % 6]->done; });
      const uint32_t shard = i % 3;
      auto& commit = *commits.emplace_back(std::make_unique<test::TestCommit>());
      commit.set = set_of(shard, ++sequence[shard], static_cast<Durability>((i + round) % 3));
      const auto number = static_cast<int64_t>(sequence[shard]);
      commit.set.put(kState, row_key(shard, number), "state");
      commit.set.put(log_of(shard), batch_key(shard, number), "log");
      commit.sink = &this->harness_.sink();
      this->harness_.store().commit(&commit);
    }
    this->harness_.crash(round * 7);
    for (const auto& commit : commits) {
      const uint32_t shard = commit->set.shard.value();
      const bool kept = commit->set.sequence <= this->applied(shard);
      EXPECT_TRUE(kept || !commit->done) << "a synced set is lost";
      const auto number = static_cast<int64_t>(commit->set.sequence);
      EXPECT_EQ(this->read(kState, row_key(shard, number)).has_value(), kept);
      EXPECT_EQ(this->read(log_of(shard), batch_key(shard, number)).has_value(), kept);
    }
    for (auto& [shard, last] : sequence) last = this->applied(shard);
  }
}

}  // namespace headrace::conformance

// What every Store promises, as tests that run on each implementation. This is the contract;
// store.h is its summary.
//
// A Harness gives the suite a store whose disk it can cut off from power:
//   static constexpr int kModelCases;            how many random histories one run tries
//   storage::Store& store();                     the open store, over an empty disk at first
//   test::TestSink& sink();
//   void run_until(const std::function<bool()>&) lets the store work and runs completions
//   void reopen();                               orderly: everything submitted completes first
//   void crash(uint64_t choice);                 power cut now, then open again. What was not
//   synced
//                                                may be lost; `choice` may decide how much of it.
//                                                No request made before completes any more
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/byte_reader.h"
#include "storage/store.h"
#include "storage/violations.h"
#include "tests/support/rocks_harness.h"

namespace headrace::conformance {

using namespace storage;  // NOLINT: the suite is written in its words

inline const Place kState{.table = Table::state};
inline const Place kOffsets{.table = Table::offsets};
constexpr Month kMonth{202611};
constexpr Month kNextMonth{202612};
constexpr Month kLastMonth{202701};
constexpr TenantId kDedicated{7};

inline Place log_of(uint32_t tenant, Month month = kMonth) {
  return {Table::log, month, TenantId(tenant)};
}
inline PartitionKey partition_of(uint32_t tenant) {
  return {TenantId(tenant), TopicId(2), SliceId(0), PartitionId(3)};
}
inline Key batch_key(uint32_t tenant, int64_t offset) {
  return log_key(LogKind::batch, partition_of(tenant), Offset(offset));
}
inline Key row_key(uint32_t tenant, int64_t number) {
  return months_key(partition_of(tenant), Offset(number));
}

inline WriteSet set_of(uint32_t shard, uint64_t sequence,
                       Durability durability = Durability::durable) {
  WriteSet set;
  set.shard = ShardId(static_cast<uint16_t>(shard));
  set.sequence = sequence;
  set.durability = durability;
  return set;
}

// A commit that writes down when it and its `written` completion ran.
struct LoggedCommit : Commit {
  struct Written : Completion {
    LoggedCommit* commit = nullptr;
    void run() override { commit->log->push_back("written " + commit->name); }
  };
  LoggedCommit(WriteSet what, std::string called, std::vector<std::string>* to)
      : name(std::move(called)), log(to) {
    set = std::move(what);
    on_written.commit = this;
    written = &on_written;
  }
  void run() override {
    done = true;
    log->push_back("synced " + name);
  }

  std::string name;
  std::vector<std::string>* log;
  Written on_written;
  bool done = false;
};

using Row = std::pair<std::string, std::string>;

// Submits and waits.
template <class Harness>
class StoreDriver {
 public:
  Status commit(WriteSet set) {
    test::TestCommit request;
    request.set = std::move(set);
    request.sink = &harness_.sink();
    harness_.store().commit(&request);
    harness_.run_until([&] { return request.done; });
    return request.status;
  }
  std::optional<std::string> read(const Place& place, const Key& key) {
    test::TestRead request;
    request.items.push_back({place, key, {}, false});
    run(&request);
    EXPECT_EQ(request.status, Status::ok);
    const Read::Item& item = request.items[0];
    return item.found ? std::optional(std::string(item.value.view())) : std::nullopt;
  }
  void run(test::TestRead* request) {
    request->sink = &harness_.sink();
    harness_.store().read(request);
    harness_.run_until([&] { return request->done; });
  }
  void run(test::TestScan* request) {
    request->sink = &harness_.sink();
    request->done = false;
    harness_.store().scan(request);
    harness_.run_until([&] { return request->done; });
  }
  static void scan_of(test::TestScan* scan, const Place& place, const Key& from, const Key& to,
                      bool reverse = false) {
    scan->place = place;
    scan->from = from;
    scan->to = to;
    scan->reverse = reverse;
  }
  static std::vector<Row> rows_of(const test::TestScan& scan) {
    std::vector<Row> rows;
    for (const Scan::Row& row : scan.rows) rows.emplace_back(row.key.view(), row.value.view());
    return rows;
  }
  // Everything under a prefix, page by page.
  std::vector<Row> all(const Place& place, const Key& prefix, size_t page = 1'000) {
    std::vector<Row> rows;
    Key from = prefix;
    while (true) {
      test::TestScan scan;
      scan_of(&scan, place, from, prefix.after_prefix());
      scan.max_rows = page;
      run(&scan);
      EXPECT_EQ(scan.status, Status::ok);
      for (Row& row : rows_of(scan)) rows.push_back(std::move(row));
      if (!scan.more) return rows;
      from = Key(rows.back().first + '\0');
    }
  }
  Status maintain(Maintenance::Kind kind, Month month, TenantId tenant,
                  std::vector<TenantId> dedicated = {}) {
    test::TestMaintenance work;
    prepare(&work, kind, month, tenant, std::move(dedicated));
    harness_.store().maintain(&work);
    harness_.run_until([&] { return work.done; });
    return work.status;
  }
  void prepare(Maintenance* work, Maintenance::Kind kind, Month month, TenantId tenant,
               std::vector<TenantId> dedicated = {}) {
    work->kind = kind;
    work->month = month;
    work->tenant = tenant;
    work->dedicated = std::move(dedicated);
    work->sink = &harness_.sink();
  }
  void create(Month month, std::vector<TenantId> dedicated = {}) {
    EXPECT_EQ(maintain(Maintenance::Kind::create_month, month, TenantId(0), dedicated), Status::ok);
  }
  Status drop(Month month, TenantId tenant) {
    return maintain(Maintenance::Kind::drop_month, month, tenant);
  }
  uint64_t applied(uint32_t shard) {
    const auto value = read(kState, applied_key(ShardId(static_cast<uint16_t>(shard))));
    if (!value) return 0;
    ByteReader reader(*value);
    const auto sequence = reader.take<uint64_t>();
    EXPECT_TRUE(reader.finished());
    return sequence;
  }

  Harness harness_;
};

template <class Harness>
class StoreSuite : public ::testing::Test, protected StoreDriver<Harness> {
 protected:
  void SetUp() override { this->create(kMonth, {kDedicated}); }
};

}  // namespace headrace::conformance

#include "tests/conformance/store_suite_commits.h"
#include "tests/conformance/store_suite_model.h"
#include "tests/conformance/store_suite_scans.h"

namespace headrace::conformance {

REGISTER_TYPED_TEST_SUITE_P(
    StoreSuite, SetsOfAShardCompleteInOrder, WrittenComesBeforeSynced, ASetIsAppliedWhole,
    TheLastPutOfAKeyWins, RemovalsRemoveExactlyWhatTheyName, TheAppliedRowIsTheSequence,
    ARepeatedSequenceIsSkipped, AnOlderEpochIsFenced, NothingIsInFlightAtTheEnd,
    NoScanShowsWhatACrashTakes, ACrashKeepsAPrefixWithEverySyncedSet, AMissingKeyIsNotAnError,
    ScansAreOrderedAndBounded, LimitsStopAScanAndPagesFitTogether, ABatchIsStoredBehindItsEnvelope,
    WhatABatchViolatesIsStoredWithIt, TenantsNeverLeak, AMonthThatIsNotThereIsGone,
    DroppingAMonthDropsNothingElse, ADroppedMonthIsEmptyAndGoneOnceNobodyIsLeft,
    ATenantWithPooledRowsStaysPooled, AMonthThatIsMadeAgainTakesRowsAgain,
    MaintenanceRunsInOrderWithCommits, WorkIsDoneOnceAndComesBack,
    WhatWasReadIsLookedAtBeforeItComesBack, ScansLeaveOutWhatIsNotWanted, ScansOfKeysHaveNoValues,
    BehavesLikeItsModel);

}  // namespace headrace::conformance

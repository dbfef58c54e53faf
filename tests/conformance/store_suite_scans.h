// Part of store_suite.h: reads, scans, tenants, months.
#pragma once

#include "tests/conformance/store_suite.h"

namespace headrace::conformance {

TYPED_TEST_P(StoreSuite, AMissingKeyIsNotAnError) {
  WriteSet set = set_of(1, 1);
  set.put(kState, row_key(1, 1), "here");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  test::TestRead read;
  read.items = {{kState, row_key(1, 2), {}, true},
                {kState, row_key(1, 1), {}, false},
                {log_of(1), batch_key(1, 0), {}, true},
                {kOffsets, row_key(1, 1), {}, true}};
  this->run(&read);
  EXPECT_EQ(read.status, Status::ok);
  EXPECT_FALSE(read.items[0].found);
  EXPECT_TRUE(read.items[1].found);
  EXPECT_EQ(read.items[1].value.view(), "here");
  EXPECT_FALSE(read.items[2].found);
  EXPECT_FALSE(read.items[3].found);
}

TYPED_TEST_P(StoreSuite, ScansAreOrderedAndBounded) {
  WriteSet set = set_of(1, 1);
  for (const int64_t i : {5, 1, 300, 2, 70'000, 4}) {
    set.put(kState, row_key(1, i), std::to_string(i));
  }
  set.put(kState, row_key(2, 3), "a neighbour");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  const auto values = [this](int64_t from, int64_t to, bool reverse) {
    test::TestScan scan;
    this->scan_of(&scan, kState, row_key(1, from), row_key(1, to), reverse);
    this->run(&scan);
    EXPECT_EQ(scan.status, Status::ok);
    EXPECT_FALSE(scan.more);
    std::string text;
    for (const Row& row : this->rows_of(scan)) text += row.second + " ";
    return text;
  };
  EXPECT_EQ(values(0, 100'000, false), "1 2 4 5 300 70000 ");
  EXPECT_EQ(values(0, 100'000, true), "70000 300 5 4 2 1 ");
  EXPECT_EQ(values(2, 300, false), "2 4 5 ") << "from is included, to is not";
  EXPECT_EQ(values(2, 300, true), "5 4 2 ");
  EXPECT_EQ(values(3, 4, true), "");
  EXPECT_EQ(values(4, 5, true), "4 ");
  EXPECT_EQ(values(6, 300, false), "");
}

TYPED_TEST_P(StoreSuite, WorkIsDoneOnceAndComesBack) {
  struct Count final : Work {
    void execute() noexcept override { ++executed; }
    void run() override { ++completed; }
    int executed = 0;
    int completed = 0;
  };
  std::vector<Count> jobs(100);
  for (Count& job : jobs) {
    job.sink = &this->harness_.sink();
    this->harness_.store().work(&job);
    EXPECT_EQ(job.completed, 0) << "never inside the call";
  }
  this->harness_.run_until([&] {
    return std::all_of(jobs.begin(), jobs.end(),
                       [](const Count& job) { return job.completed > 0; });
  });
  for (const Count& job : jobs) {
    EXPECT_EQ(job.status, Status::ok);
    EXPECT_EQ(job.executed, 1);
    EXPECT_EQ(job.completed, 1);
  }
}

TYPED_TEST_P(StoreSuite, WhatWasReadIsLookedAtBeforeItComesBack) {
  struct Look final : test::TestRead {
    bool wants(size_t item, std::string_view value) noexcept override {
      EXPECT_FALSE(done);
      seen += std::to_string(item) + "=" + std::string(value) + " ";
      return value != "two";
    }
    std::string seen;
  };
  WriteSet set = set_of(1, 1);
  set.put(kState, row_key(1, 2), "two");
  set.put(kState, row_key(1, 4), "four");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  Look read;
  for (int64_t offset = 2; offset < 5; ++offset)
    read.items.push_back({kState, row_key(1, offset), {}, false});
  this->run(&read);
  EXPECT_EQ(read.seen, "0=two 2=four ");
  EXPECT_TRUE(read.items[0].found && !read.items[1].found && read.items[2].found);
  EXPECT_EQ(read.items[0].value.view(), "");
  EXPECT_EQ(read.items[2].value.view(), "four");
}

TYPED_TEST_P(StoreSuite, ScansLeaveOutWhatIsNotWanted) {
  struct Odd final : test::TestScan {
    bool wants(std::string_view key, std::string_view value) noexcept override {
      EXPECT_FALSE(done);
      keys += key;
      return (value[0] - '0') % 2 == 1;
    }
    std::string keys;
  };
  WriteSet set = set_of(1, 1);
  for (int64_t i = 0; i < 6; ++i) set.put(kState, row_key(1, i), std::to_string(i));
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  for (const bool reverse : {false, true}) {
    Odd scan;
    this->scan_of(&scan, kState, row_key(1, 0), row_key(1, 9), reverse);
    scan.max_rows = 4;  // looked at
    this->run(&scan);
    std::string values;
    for (const Row& row : this->rows_of(scan)) values += row.second + " ";
    EXPECT_EQ(values, reverse ? "5 3 " : "1 3 ");
    EXPECT_TRUE(scan.more);
    EXPECT_EQ(scan.keys.size(), 4 * row_key(1, 0).size());
  }
}

TYPED_TEST_P(StoreSuite, ScansOfKeysHaveNoValues) {
  WriteSet set = set_of(1, 1);
  for (int64_t i = 0; i < 3; ++i) set.put(kState, row_key(1, i), "value");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  for (const bool reverse : {false, true}) {
    test::TestScan scan;
    this->scan_of(&scan, kState, row_key(1, 0), row_key(1, 9), reverse);
    scan.keys_only = true;
    this->run(&scan);
    const auto rows = this->rows_of(scan);
    ASSERT_EQ(rows.size(), 3u);
    for (const Row& row : rows) EXPECT_EQ(row.second, "");
    EXPECT_EQ(scan.rows.front().key, row_key(1, reverse ? 2 : 0));
  }
}

TYPED_TEST_P(StoreSuite, LimitsStopAScanAndPagesFitTogether) {
  WriteSet set = set_of(1, 1);
  for (int64_t i = 0; i < 20; ++i) set.put(kState, row_key(1, i), std::string(100, 'v'));
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  const size_t row_size = row_key(1, 0).size() + 100;
  for (const bool reverse : {false, true}) {
    test::TestScan scan;
    this->scan_of(&scan, kState, row_key(1, 0), row_key(1, 20), reverse);
    scan.max_rows = 7;
    this->run(&scan);
    EXPECT_EQ(scan.rows.size(), 7u);
    EXPECT_TRUE(scan.more);
    scan.max_rows = 20;
    this->run(&scan);
    EXPECT_EQ(scan.rows.size(), 20u);
    EXPECT_FALSE(scan.more) << "a limit that is reached at the end stops nothing";
    scan.max_bytes = 3 * row_size;
    this->run(&scan);
    EXPECT_EQ(scan.rows.size(), 3u);
    EXPECT_TRUE(scan.more);
    scan.max_bytes = 1;
    this->run(&scan);
    EXPECT_EQ(scan.rows.size(), 1u) << "the first row always fits";
    EXPECT_TRUE(scan.more);
  }
  const Key prefix = state_prefix(StateKind::months, partition_of(1));
  const auto whole = this->all(kState, prefix);
  EXPECT_EQ(whole.size(), 20u);
  for (const size_t page : {1, 3, 19, 20}) EXPECT_EQ(this->all(kState, prefix, page), whole);
}

TYPED_TEST_P(StoreSuite, ABatchIsStoredBehindItsEnvelope) {
  const Envelope envelope{0, 3, 1'234'567};
  const std::string bytes(100'000, 'b');
  WriteSet set = set_of(1, 1);
  set.put_batch(log_of(1), batch_key(1, 0), envelope, SharedBytes::copy_of(bytes));
  set.put_batch(log_of(7), batch_key(7, 0), envelope, SharedBytes::copy_of("b"));
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  for (int round = 0; round < 2; ++round) {
    const auto value = this->read(log_of(1), batch_key(1, 0));
    ASSERT_TRUE(value);
    const auto stored = Envelope::decode(std::as_bytes(std::span(*value)));
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->key_id, 3u);
    EXPECT_EQ(stored->append_time_us, 1'234'567);
    EXPECT_TRUE(value->substr(kEnvelopeSize) == bytes);
    EXPECT_EQ(this->read(log_of(7), batch_key(7, 0))->size(), kEnvelopeSize + 1);
    this->harness_.reopen();
  }
}

TYPED_TEST_P(StoreSuite, WhatABatchViolatesIsStoredWithIt) {
  Violations violations;
  violations.add(0, "/a: is missing");
  violations.add(2, "");
  WriteSet set = set_of(1, 1);
  set.put_batch(log_of(1), batch_key(1, 0), Envelope{0, 0, 7}, SharedBytes::copy_of("batch"),
                violations.encode());
  set.put_batch(log_of(1), batch_key(1, 3), Envelope{0, 0, 8}, SharedBytes::copy_of("other"));
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  for (int round = 0; round < 2; ++round) {
    const auto value = this->read(log_of(1), batch_key(1, 0));
    ASSERT_TRUE(value);
    const auto stored = open_value(*value);
    ASSERT_TRUE(stored && stored->violations != nullptr);
    EXPECT_EQ(stored->append_time_us, 7);
    EXPECT_EQ(stored->batch, "batch");
    EXPECT_EQ(stored->violations->encode(), violations.encode());
    const auto other = this->read(log_of(1), batch_key(1, 3));
    const auto plain = open_value(*other);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->violations, nullptr);
    EXPECT_EQ(plain->batch, "other");
    this->harness_.reopen();
  }
}

TYPED_TEST_P(StoreSuite, TenantsNeverLeak) {
  const std::vector<uint32_t> tenants = {1,   2,      7,       8,          255,       256,
                                         257, 0xffff, 0x10000, 0xfffffffe, 0xffffffff};
  WriteSet set = set_of(1, 1);
  for (const uint32_t tenant : tenants) {
    const std::string name = std::to_string(tenant);
    set.put(kState, row_key(tenant, 1), name);
    set.put(kState, state_prefix(StateKind::log_start, partition_of(tenant)), name);
    set.put(log_of(tenant), batch_key(tenant, 1), name);
    set.put(log_of(tenant), log_key(LogKind::chunk, partition_of(tenant), Offset(0)), name);
  }
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  for (const uint32_t tenant : tenants) {
    for (const Place& place : {kState, log_of(tenant)}) {
      const auto rows = this->all(place, tenant_prefix(TenantId(tenant)));
      EXPECT_EQ(rows.size(), 2u) << "tenant " << tenant;
      for (const Row& row : rows) EXPECT_EQ(row.second, std::to_string(tenant));
    }
  }
}

TYPED_TEST_P(StoreSuite, AMonthThatIsNotThereIsGone) {
  test::TestRead read;
  read.items = {{log_of(1, kNextMonth), batch_key(1, 0), {}, true}};
  this->run(&read);
  EXPECT_EQ(read.status, Status::gone);
  test::TestScan scan;
  this->scan_of(&scan, log_of(1, kNextMonth), batch_key(1, 0), batch_key(1, 9));
  this->run(&scan);
  EXPECT_EQ(scan.status, Status::gone);
  EXPECT_TRUE(scan.rows.empty());
}

TYPED_TEST_P(StoreSuite, DroppingAMonthDropsNothingElse) {
  this->create(kNextMonth, {kDedicated});
  WriteSet set = set_of(1, 1);
  for (const Month month : {kMonth, kNextMonth}) {
    for (const uint32_t tenant : {6, 7, 8, 9}) {
      set.put(log_of(tenant, month), batch_key(tenant, month.value()), "x");
    }
  }
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  const auto count = [this](uint32_t tenant, Month month) -> size_t {
    test::TestScan scan;
    const Key prefix = tenant_prefix(TenantId(tenant));
    this->scan_of(&scan, log_of(tenant, month), prefix, prefix.after_prefix());
    this->run(&scan);
    return scan.rows.size();
  };
  EXPECT_EQ(this->drop(kMonth, kDedicated), Status::ok);
  EXPECT_EQ(this->drop(kMonth, TenantId(8)), Status::ok);
  EXPECT_EQ(this->drop(kMonth, TenantId(8)), Status::ok) << "repeated after a crash, say";
  for (int round = 0; round < 2; ++round) {
    for (const uint32_t tenant : {6, 7, 8, 9}) {
      const bool dropped = tenant == 7 || tenant == 8;
      EXPECT_EQ(count(tenant, kMonth), dropped ? 0u : 1u) << "tenant " << tenant;
      EXPECT_EQ(count(tenant, kNextMonth), 1u) << "tenant " << tenant;
    }
    this->harness_.reopen();
  }
}

// A dropped month has no rows, and says the same before and after a restart.
TYPED_TEST_P(StoreSuite, ADroppedMonthIsEmptyAndGoneOnceNobodyIsLeft) {
  this->create(kNextMonth);
  this->create(kLastMonth);
  WriteSet set = set_of(1, 1);
  for (const uint32_t tenant : {7, 8, 9}) set.put(log_of(tenant), batch_key(tenant, 0), "x");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  const auto expect = [this](uint32_t tenant, Status status) {
    test::TestRead read;
    read.items = {{log_of(tenant), batch_key(tenant, 0), {}, false}};
    this->run(&read);
    EXPECT_EQ(read.status, status) << "tenant " << tenant;
    EXPECT_FALSE(read.items[0].found) << "tenant " << tenant;
    test::TestScan scan;
    const Key prefix = tenant_prefix(TenantId(tenant));
    this->scan_of(&scan, log_of(tenant), prefix, prefix.after_prefix());
    this->run(&scan);
    EXPECT_EQ(scan.status, status) << "tenant " << tenant;
    EXPECT_TRUE(scan.rows.empty()) << "tenant " << tenant;
  };
  EXPECT_EQ(this->drop(kMonth, kDedicated), Status::ok);
  EXPECT_EQ(this->drop(kMonth, TenantId(8)), Status::ok);
  for (int round = 0; round < 2; ++round) {
    expect(7, Status::ok);
    expect(8, Status::ok);
    EXPECT_EQ(this->read(log_of(9), batch_key(9, 0)), "x");
    this->harness_.reopen();
  }
  EXPECT_EQ(this->drop(kMonth, TenantId(9)), Status::ok);
  expect(9, Status::ok);
  this->harness_.reopen();
  for (const uint32_t tenant : {7, 8, 9}) expect(tenant, Status::gone);
}

TYPED_TEST_P(StoreSuite, ATenantWithPooledRowsStaysPooled) {
  WriteSet set = set_of(1, 1);
  set.put(log_of(8), batch_key(8, 0), "early");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  this->create(kMonth, {kDedicated, TenantId(8)});
  EXPECT_EQ(this->read(log_of(8), batch_key(8, 0)), "early");
}

TYPED_TEST_P(StoreSuite, AMonthThatIsMadeAgainTakesRowsAgain) {
  EXPECT_EQ(this->drop(kMonth, kDedicated), Status::ok);
  this->create(kMonth, {kDedicated});
  WriteSet set = set_of(1, 1);
  set.put(log_of(7), batch_key(7, 0), "new");
  ASSERT_EQ(this->commit(std::move(set)), Status::ok);
  EXPECT_EQ(this->read(log_of(7), batch_key(7, 0)), "new");
}

TYPED_TEST_P(StoreSuite, MaintenanceRunsInOrderWithCommits) {
  test::TestMaintenance create;
  this->prepare(&create, Maintenance::Kind::create_month, kNextMonth, TenantId(0), {kDedicated});
  test::TestCommit write;
  write.set = set_of(1, 1);
  write.set.put(log_of(7, kNextMonth), batch_key(7, 0), "dropped");
  write.set.put(log_of(1, kNextMonth), batch_key(1, 0), "kept");
  write.sink = &this->harness_.sink();
  test::TestMaintenance drop;
  this->prepare(&drop, Maintenance::Kind::drop_month, kNextMonth, kDedicated);
  test::TestCommit receipt;
  receipt.set = set_of(1, 2);
  receipt.set.put(kState, row_key(7, 0), "receipt");
  receipt.sink = &this->harness_.sink();
  // Nobody waits in between.
  this->harness_.store().maintain(&create);
  this->harness_.store().commit(&write);
  this->harness_.store().maintain(&drop);
  this->harness_.store().commit(&receipt);
  this->harness_.run_until([&] { return create.done && write.done && drop.done && receipt.done; });
  EXPECT_EQ(create.status, Status::ok);
  EXPECT_EQ(write.status, Status::ok);
  EXPECT_EQ(drop.status, Status::ok);
  EXPECT_EQ(receipt.status, Status::ok);
  test::TestRead read;
  read.items = {{log_of(7, kNextMonth), batch_key(7, 0), {}, false}};
  this->run(&read);
  EXPECT_FALSE(read.items[0].found);
  EXPECT_EQ(this->read(log_of(1, kNextMonth), batch_key(1, 0)), "kept");
  EXPECT_EQ(this->read(kState, row_key(7, 0)), "receipt");
}

}  // namespace headrace::conformance

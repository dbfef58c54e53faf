// Months that come and go at random, with power cuts on the way: what can be read is, at any time,
// what was published at or behind the log's start, and the start is where drops and imports put it.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/core/api_months.h"
#include "storage/envelope.h"
#include "tests/support/core_stage.h"
#include "tests/support/prng.h"

namespace headrace::core {
namespace {

class MonthsSeeds : public testing::TestWithParam<uint64_t> {
 protected:
  struct SavedMonth {
    Month month;
    Offset first;
    Offset end;
    uint32_t digest = 0;
    std::vector<ImportBatches::Item> items;
  };

  MonthsSeeds() {
    stage_.run("create orders 1");
    stage_.run("settle");
    key_ = stage_.topic("orders")->partition(PartitionId(0));
  }

  // What is on the disk of the partition: batches by offset.
  std::map<Offset, std::string> batches(std::optional<Month> only = {}) const {
    std::map<Offset, std::string> found;
    for (const auto& [place, rows] : stage_.disk().rows) {
      if (place.table != storage::Table::log || (only && place.month != *only)) continue;
      for (const auto& [key, value] : rows) {
        const auto parts = storage::parse_log_key(key.view());
        if (parts && parts->kind == storage::LogKind::batch) found[parts->base_offset] = value;
      }
    }
    return found;
  }

  PartitionStats stats() {
    auto request = std::make_unique<DescribeTopic>(Access::anonymous());
    request->topic = stage_.topic("orders");
    return stage_.answer(std::move(request))->partitions.front();
  }

  void publish() {
    for (int64_t left = prng_.between(1, 40); left > 0; --left) {
      const std::string key = " key=k" + std::to_string(prng_.below(4));
      const std::string size(prng_.chance(0.02) ? 300'000 : prng_.below(500), 'v');
      stage_.run("publish orders 0 durable type=t" + std::to_string(prng_.below(3)) + key + " v" +
                 size);
      if (prng_.chance(0.3)) stage_.run("settle");
      if (prng_.chance(0.05)) pass(prng_.between(1, 30));
    }
    stage_.run("settle");
    for (auto& [base, value] : batches()) {
      if (base >= stats().log_start) log_[base] = std::move(value);
    }
  }

  void pass(int64_t seconds) {
    stage_.run("clock +" + std::to_string(seconds));
    stage_.run("settle");
  }

  // A power cut after `keep` sets that are not synced yet, or when all is.
  void cut(bool settled) {
    if (settled) stage_.run("settle");
    stage_.run("crash " + std::to_string(prng_.below(stage_.unsynced() + 1)));
    stage_.run("settle");
  }

  SavedMonth save(const MonthStats& month) const {
    SavedMonth saved{month.month, month.first_offset, month.first_offset + month.events, 0, {}};
    storage::MonthRow row;
    for (const auto& [base, value] : batches(month.month)) {
      if (base < saved.first || base >= saved.end) continue;
      ImportBatches::Item item;
      const auto bytes = std::as_bytes(std::span(value));
      item.append_time_us = storage::Envelope::decode(bytes)->append_time_us;
      item.batch = SharedBytes::copy_of(bytes.subspan(storage::kEnvelopeSize));
      EXPECT_EQ(storage::check_header(item.batch.span(), &item.header), storage::BatchError::ok);
      const auto records = item.batch.span().subspan(storage::kBatchHeaderSize);
      EXPECT_EQ(storage::walk(records, item.header, &item.summary), storage::BatchError::ok);
      row.add(item.header.crc, item.header.total_size(),
              static_cast<uint32_t>(item.header.record_count), item.append_time_us);
      saved.items.push_back(std::move(item));
    }
    saved.digest = row.digest;
    return saved;
  }

  void drop() {
    const auto months = stats().months;
    if (months.empty() || months.front().month >= storage::month_of(stage_.now().wall_us)) return;
    SavedMonth saved = save(months.front());
    auto request = std::make_unique<DropMonth>(Access::anonymous());
    request->topic = stage_.topic("orders");
    request->month = saved.month;
    if (prng_.chance(0.3)) {
      stage_.start(std::move(request));
      cut(prng_.chance(0.5));
    } else {
      const auto done = stage_.answer(std::move(request));
      ASSERT_FALSE(done->error) << done->error.message();
      ASSERT_EQ(done->events, saved.end - saved.first);
    }
    const Offset start = stats().log_start;
    ASSERT_TRUE(start == saved.first || start == saved.end) << "all of it or nothing";
    if (start == saved.end) files_.push_back(std::move(saved));
    start_ = start;
  }

  void import() {
    if (files_.empty()) return;
    const SavedMonth& file = files_.back();
    auto begin = std::make_unique<BeginImport>(Access::anonymous());
    begin->topic = stage_.topic("orders");
    begin->month = file.month;
    begin->first = file.first;
    begin->end = file.end;
    begin->digest = file.digest;
    const auto begun = stage_.answer(std::move(begin));
    ASSERT_FALSE(begun->error) << begun->error.message();
    ASSERT_FALSE(begun->present);
    for (size_t at = 0; at < file.items.size();) {
      auto request = std::make_unique<ImportBatches>(Access::anonymous());
      request->topic = stage_.topic("orders");
      const size_t end = std::min(at + prng_.below(20) + 1, file.items.size());
      for (; at < end; ++at) request->items.push_back(file.items[at]);
      if (prng_.chance(0.05)) {
        stage_.start(std::move(request));
        cut(prng_.chance(0.5));
        break;
      }
      if (prng_.chance(0.1)) publish();
      const auto done = stage_.answer(std::move(request));
      ASSERT_FALSE(done->error) << done->error.message();
      ASSERT_EQ(done->done, at == file.items.size());
    }
    const Offset start = stats().log_start;
    ASSERT_TRUE(start == file.first || start == file.end) << "all of it or nothing";
    start_ = start;
    if (start == file.first) files_.pop_back();
  }

  void check() {
    const PartitionStats now = stats();
    ASSERT_EQ(now.log_start, start_);
    int64_t bytes = 0;
    Offset next = start_;
    const auto stored = batches();
    for (auto at = log_.lower_bound(start_); at != log_.end(); ++at) {
      const auto row = stored.find(at->first);
      ASSERT_NE(row, stored.end()) << at->first.value();
      ASSERT_EQ(row->second, at->second) << at->first.value();
      ASSERT_EQ(at->first, next);
      const auto batch = std::as_bytes(std::span(at->second)).subspan(storage::kEnvelopeSize);
      next = next + storage::read_header(batch)->record_count;
      bytes += static_cast<int64_t>(batch.size());
    }
    ASSERT_EQ(now.visible_end, next);
    ASSERT_EQ(now.bytes, bytes);
    int64_t counted = 0;
    for (const auto& month : now.months) counted += month.events;
    ASSERT_EQ(counted, now.visible_end - now.log_start) << "no month is cut";
  }

  test::Prng prng_{GetParam()};
  test::CoreStage stage_;
  PartitionKey key_;
  std::map<Offset, std::string> log_;  // every batch that was ever durable
  Offset start_;
  std::vector<SavedMonth> files_;  // newest last
};

TEST_P(MonthsSeeds, WhatIsReadIsWhatWasPublishedFromTheStartOn) {
  for (int step = 0; step < 60; ++step) {
    switch (prng_.below(6)) {
      case 0:
      case 1:
        publish();
        break;
      case 2:
        pass(prng_.between(1, 40) * 24 * 3'600);
        break;
      case 3:
        drop();
        break;
      case 4:
        import();
        break;
      default:
        cut(true);
    }
    if (HasFatalFailure()) break;
    check();
    ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    stage_.take_transcript();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MonthsSeeds, testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace headrace::core

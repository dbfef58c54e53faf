// A month that is dropped by hand and imported again: the disk is what it was, whenever the power
// fails on the way.
#include <gtest/gtest.h>

#include <map>

#include "broker/core/api_audit.h"
#include "broker/core/api_months.h"
#include "storage/envelope.h"
#include "tests/support/core_stage.h"

namespace headrace::core {
namespace {

using storage::StateKind;

class MonthsByHand : public testing::Test {
 protected:
  using Rows = std::map<std::string, std::string>;

  MonthsByHand() {
    stage_.run("create orders 1");
    stage_.run("settle");
    for (int month = 0; month < 3; ++month) {
      for (int i = 0; i < 30; ++i) {
        stage_.run("publish orders 0 durable type=order.paid key=k" + std::to_string(i % 3) +
                   " one-" + std::to_string(i) + " two");
        stage_.run("settle");
      }
      stage_.run("clock +" + std::to_string(32 * 24 * 3'600));
      stage_.run("settle");
    }
    stage_.take_transcript();
    before_ = rows();
    for (const auto& span : stats().months) months_.push_back(span);
  }

  // Of the log, and what the partition knows of its months.
  Rows rows() const {
    Rows found;
    for (const auto& [place, rows] : stage_.disk().rows) {
      for (const auto& [key, value] : rows) {
        const bool log = place.table == storage::Table::log;
        const bool month = place.table == storage::Table::state &&
                           (key.view()[4] == static_cast<char>(StateKind::months) ||
                            key.view()[4] == static_cast<char>(StateKind::lookup_span) ||
                            key.view()[4] == static_cast<char>(StateKind::month_import));
        if (!log && !month) continue;
        found[std::to_string(place.month.value()) + " " +
              storage::to_text(place.table, key.view())] = value;
      }
    }
    return found;
  }
  Rows rows_of(Month month) const {
    Rows found = before_;
    std::erase_if(found, [&](const auto& row) {
      return !row.first.starts_with(std::to_string(month.value()) + " log batch");
    });
    return found;
  }

  PartitionStats stats() {
    auto request = std::make_unique<DescribeTopic>(Access::anonymous());
    request->topic = stage_.topic("orders");
    return stage_.answer(std::move(request))->partitions.front();
  }

  std::unique_ptr<DropMonth> drop(Month month, bool force = false) {
    auto request = std::make_unique<DropMonth>(Access::anonymous());
    request->topic = stage_.topic("orders");
    request->month = month;
    request->force = force;
    request->why = "told to";
    return stage_.answer(std::move(request));
  }

  std::vector<ImportBatches::Item> batches_of(const MonthStats& month) const {
    std::map<Offset, ImportBatches::Item> found;
    for (const auto& [name, value] : rows_of(month.month)) {
      ImportBatches::Item item;
      const auto bytes = std::as_bytes(std::span(value));
      item.append_time_us = storage::Envelope::decode(bytes)->append_time_us;
      item.batch = SharedBytes::copy_of(bytes.subspan(storage::kEnvelopeSize));
      EXPECT_EQ(storage::check_header(item.batch.span(), &item.header), storage::BatchError::ok);
      const auto records = item.batch.span().subspan(storage::kBatchHeaderSize);
      EXPECT_EQ(storage::walk(records, item.header, &item.summary), storage::BatchError::ok);
      found.emplace(Offset(item.header.base_offset), std::move(item));
    }
    std::vector<ImportBatches::Item> items;
    for (auto& [offset, item] : found) items.push_back(std::move(item));
    return items;
  }

  std::unique_ptr<BeginImport> begin(const MonthStats& month) {
    storage::MonthRow row;
    for (const auto& item : batches_of(month)) {
      row.add(item.header.crc, item.header.total_size(),
              static_cast<uint32_t>(item.header.record_count), item.append_time_us);
    }
    auto request = std::make_unique<BeginImport>(Access::anonymous());
    request->topic = stage_.topic("orders");
    request->month = month.month;
    request->first = month.first_offset;
    request->end = month.first_offset + month.events;
    request->digest = row.digest;
    return stage_.answer(std::move(request));
  }

  std::unique_ptr<ImportBatches> bring(const MonthStats& month, size_t from, size_t to) {
    auto request = std::make_unique<ImportBatches>(Access::anonymous());
    request->topic = stage_.topic("orders");
    auto items = batches_of(month);
    for (size_t i = from; i < std::min(to, items.size()); ++i) request->items.push_back(items[i]);
    return stage_.answer(std::move(request));
  }

  test::CoreStage stage_;
  Rows before_;
  std::vector<MonthStats> months_;
};

TEST_F(MonthsByHand, DroppedAndImportedTheDiskIsAsItWas) {
  ASSERT_EQ(months_.size(), 3u);
  const auto dropped = drop(months_[0].month);
  ASSERT_FALSE(dropped->error) << dropped->error.message();
  EXPECT_EQ(dropped->events, 60);
  EXPECT_EQ(dropped->bytes, months_[0].bytes);
  EXPECT_EQ(stats().log_start, months_[1].first_offset);
  EXPECT_LT(rows().size(), before_.size());
  ASSERT_FALSE(begin(months_[0])->error);
  EXPECT_EQ(stats().log_start, months_[1].first_offset) << "not before it is complete";
  EXPECT_FALSE(bring(months_[0], 0, 17)->done);
  EXPECT_EQ(stats().log_start, months_[1].first_offset);
  const auto done = bring(months_[0], 17, 99);
  ASSERT_FALSE(done->error) << done->error.message();
  EXPECT_TRUE(done->done);
  EXPECT_EQ(stats().log_start, Offset(0));
  EXPECT_EQ(rows(), before_);
  EXPECT_TRUE(begin(months_[0])->present) << "once is enough";
}

TEST_F(MonthsByHand, APowerCutOnTheWayLeavesWhatWasThere) {
  ASSERT_FALSE(drop(months_[0].month)->error);
  const Rows dropped = rows();
  ASSERT_FALSE(begin(months_[0])->error);
  ASSERT_FALSE(bring(months_[0], 0, 17)->error);
  stage_.run("crash 0");
  stage_.run("settle");
  EXPECT_EQ(stats().log_start, months_[1].first_offset);
  EXPECT_GT(rows().size(), dropped.size()) << "rows that nobody reads";
  EXPECT_EQ(bring(months_[0], 17, 99)->error.code, ErrorCode::import_lost);
  ASSERT_FALSE(begin(months_[0])->error);
  EXPECT_TRUE(bring(months_[0], 0, 99)->done);
  EXPECT_EQ(rows(), before_);
  stage_.run("crash 0");
  stage_.run("settle");
  EXPECT_EQ(stats().log_start, Offset(0));
  EXPECT_EQ(rows(), before_);
}

TEST_F(MonthsByHand, TheTopicsEndTakesAnImportThatWasLeft) {
  ASSERT_FALSE(drop(months_[0].month)->error);
  ASSERT_FALSE(begin(months_[0])->error);
  ASSERT_FALSE(bring(months_[0], 0, 17)->error);
  stage_.run("crash 0");
  stage_.run("settle");
  stage_.run("delete_topic orders");
  stage_.run("settle");
  Rows left = rows();
  std::erase_if(left,
                [](const auto& row) { return row.first.find("/topic") == std::string::npos; });
  EXPECT_EQ(left, Rows());
}

TEST_F(MonthsByHand, TheLastMonthMayGoOnceItIsOver) {
  for (const MonthStats& month : months_) ASSERT_FALSE(drop(month.month)->error);
  EXPECT_EQ(stats().log_start, stats().visible_end);
  EXPECT_EQ(stats().bytes, 0);
  stage_.run("crash 0");
  stage_.run("settle");
  EXPECT_EQ(stats().visible_end, Offset(180));
  stage_.run("publish orders 0 durable again");
  stage_.run("settle");
  EXPECT_EQ(stats().visible_end, Offset(181));
  EXPECT_EQ(drop(stats().months.back().month)->error.code, ErrorCode::month_open);
  EXPECT_EQ(drop(months_[1].month)->events, 0) << "it is gone already";
  for (size_t i = 3; i-- > 0;) {
    ASSERT_FALSE(begin(months_[i])->error);
    ASSERT_TRUE(bring(months_[i], 0, 99)->done);
  }
  EXPECT_EQ(stats().log_start, Offset(0));
  EXPECT_EQ(stats().months.size(), 4u);
}

TEST_F(MonthsByHand, TheQuotaHoldsForWhatComesBack) {
  ASSERT_FALSE(drop(months_[0].month)->error);
  stage_.run("quotas stored_bytes=" + std::to_string(stats().bytes + 100));
  stage_.run("settle");
  ASSERT_FALSE(begin(months_[0])->error);
  ASSERT_FALSE(bring(months_[0], 0, 2)->error);
  EXPECT_EQ(bring(months_[0], 2, 3)->error.code, ErrorCode::quota_reached);
  stage_.run("quotas stored_bytes=0");
  stage_.run("settle");
  EXPECT_TRUE(bring(months_[0], 2, 99)->done);
  EXPECT_EQ(rows(), before_);
}

TEST_F(MonthsByHand, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(drop(months_[1].month)->error.code, ErrorCode::month_not_oldest);
  ASSERT_FALSE(drop(months_[0].month)->error);
  ASSERT_FALSE(drop(months_[1].month)->error);
  EXPECT_EQ(begin(months_[0])->error.code, ErrorCode::range_taken) << "not at the log's start";
  MonthStats wrong = months_[1];
  ASSERT_FALSE(begin(wrong)->error);
  EXPECT_EQ(bring(months_[1], 3, 5)->error.code, ErrorCode::invalid_request) << "a gap";
  EXPECT_EQ(bring(months_[2], 0, 1)->error.code, ErrorCode::invalid_request);
  ASSERT_FALSE(bring(months_[1], 0, 5)->error);
  ASSERT_FALSE(begin(months_[1])->error) << "anew";
  EXPECT_EQ(bring(months_[1], 5, 9)->error.code, ErrorCode::invalid_request);
  EXPECT_TRUE(bring(months_[1], 0, 99)->done);
  EXPECT_EQ(bring(months_[1], 0, 99)->error.code, ErrorCode::import_lost);
}

}  // namespace
}  // namespace headrace::core

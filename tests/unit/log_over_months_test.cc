// A partition's log over many chunks and several months, with power cuts and clocks that are wrong:
// offsets by time, cold reads and retention against what the disk holds, read naively.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/core/retention.h"
#include "broker/limits.h"
#include "storage/chunk.h"
#include "tests/support/core_stage.h"
#include "tests/support/prng.h"

namespace headrace::core {
namespace {

constexpr int64_t kLogDayUs = int64_t{24} * 3'600 * kMicrosPerSecond;

struct Chunk {
  Offset base;
  Offset end;
  Month month;
  int64_t bytes = 0;
  int64_t last_append_us = 0;
};

class LogOverMonths : public testing::TestWithParam<uint64_t> {
 protected:
  // One publish is one batch.
  struct Batch {
    Offset base;
    Offset end;
    int64_t append_us = 0;
    std::string value;  // of each of its events
  };

  void create(const Retention& retention) {
    auto request = std::make_unique<CreateTopic>(Access::anonymous());
    request->name = "orders";
    request->retention = retention;
    topic_ = stage_.answer(std::move(request))->topic;
    ASSERT_NE(topic_, nullptr);
  }

  void publish() {
    const auto count = static_cast<size_t>(prng_.between(1, 4));
    const size_t size = prng_.chance(0.02) ? 400'000 : prng_.below(3'000);
    auto value = std::make_shared<std::string>(std::to_string(batches_.size()) + ":");
    value->resize(value->size() + size, 'v');
    auto request = std::make_unique<PublishEvents>(Access::anonymous());
    request->topic = topic_;
    request->atomic = true;
    request->message = value;
    for (size_t i = 0; i < count; ++i) {
      auto& item = request->items.emplace_back();
      item.fields.value = *value;
      item.fields.timestamp_ms = 1;
    }
    const auto done = stage_.answer(std::move(request));
    ASSERT_FALSE(done->error) << done->error.message();
    const Offset base = done->items.front().offset;
    EXPECT_EQ(base, end()) << "dense";
    const int64_t last_us = batches_.empty() ? 0 : batches_.back().append_us;
    EXPECT_EQ(done->append_time_us, std::max(stage_.now().wall_us, last_us)) << "never back";
    batches_.push_back({base, base + static_cast<int64_t>(count), done->append_time_us, *value});
  }

  void pass_time() {
    if (prng_.chance(0.6)) return;
    const int64_t seconds = prng_.chance(0.1)   ? prng_.between(1, 12) * 24 * 3'600
                            : prng_.chance(0.5) ? prng_.between(1, 40)
                                                : prng_.between(1, 4'000);
    stage_.run("clock +" + std::to_string(seconds));
    stage_.run("settle");
    stage_.take_transcript();
  }

  // Somebody sets the clock, back by up to two months or forward; then it is believed.
  void set_clock() {
    stage_.run("step clock " + std::to_string(prng_.between(-40, 30)) + "d");
    if (prng_.chance(0.5)) restart();  // then it knows of the month that it makes only
    if (prng_.chance(0.5)) publish();
    stage_.run("trust clock");
    stage_.run("clock +1");
    stage_.run("settle");
  }

  void restart() {
    stage_.run("crash 0");
    stage_.run("settle");
    stage_.take_transcript();
  }

  Offset end() const { return batches_.empty() ? Offset(0) : batches_.back().end; }

  PartitionStats stats() {
    auto request = std::make_unique<DescribeTopic>(Access::anonymous());
    request->topic = topic_;
    return stage_.answer(std::move(request))->partitions.front();
  }

  // What is on the disk, over all months.
  std::vector<Chunk> closed_chunks() const {
    std::map<Offset, Chunk> chunks;
    for (const auto& [place, rows] : stage_.disk().rows) {
      if (place.table != storage::Table::log) continue;
      for (const auto& [key, value] : rows) {
        const auto parts = storage::parse_log_key(key.view());
        if (!parts || parts->kind != storage::LogKind::chunk) continue;
        if (parts->partition != topic_->partition(PartitionId(0))) continue;
        const auto row = storage::ChunkRow::decode(value);
        EXPECT_TRUE(row.has_value());
        const Offset base = parts->base_offset;
        EXPECT_FALSE(chunks.contains(base)) << "one chunk in two months";
        chunks[base] = {base, base + row->last_offset_delta + 1, place.month,
                        static_cast<int64_t>(row->total_bytes), row->last_append_us};
      }
    }
    std::vector<Chunk> sorted;
    for (const auto& [base, chunk] : chunks) sorted.push_back(chunk);
    return sorted;
  }
  std::map<Offset, int64_t> batch_sizes() const {
    std::map<Offset, int64_t> sizes;
    for (const auto& [place, rows] : stage_.disk().rows) {
      if (place.table != storage::Table::log) continue;
      for (const auto& [key, value] : rows) {
        const auto parts = storage::parse_log_key(key.view());
        if (!parts || parts->kind != storage::LogKind::batch) continue;
        if (parts->partition != topic_->partition(PartitionId(0))) continue;
        sizes[parts->base_offset] = static_cast<int64_t>(value.size() - storage::kEnvelopeSize);
      }
    }
    return sizes;
  }

  // Where the log should begin after a pass at that time.
  Offset begin_after_retention(Offset log_start, int64_t now_us) const {
    int64_t bytes = 0;
    for (const auto& [base, size] : batch_sizes()) bytes += size;
    RetentionQuestion question;
    question.now_us = now_us;
    question.current_month = storage::month_of(question.now_us);
    for (const Chunk& chunk : closed_chunks()) {
      question.chunk_month = chunk.month;
      question.chunk_last_append_us = chunk.last_append_us;
      question.kept_bytes = bytes - chunk.bytes;
      question.kept_events = end() - chunk.end;
      if (!may_go(topic_->retention, question)) return log_start;
      bytes -= chunk.bytes;
      log_start = chunk.end;
    }
    return log_start;
  }

  void check_retention() {
    stage_.run("settle");
    const Offset before = stats().log_start;
    const int64_t now_us = stage_.now().wall_us;
    const Offset least = begin_after_retention(before, now_us);
    const Offset most = begin_after_retention(before, now_us + 61 * kMicrosPerSecond);
    stage_.run("clock +61");  // longer than the interval between passes
    stage_.run("settle");
    const Offset start = stats().log_start;
    EXPECT_GE(start, least);
    EXPECT_LE(start, most);
    dropped_ = dropped_ || start > Offset(0);
  }

  // The index agrees with the disk, and nothing below the start is left there.
  void check_disk() {
    const PartitionStats now = stats();
    EXPECT_EQ(now.visible_end, end());
    int64_t bytes = 0;
    for (const auto& [base, size] : batch_sizes()) {
      EXPECT_GE(base, now.log_start);
      bytes += size;
    }
    EXPECT_EQ(now.bytes, bytes);
    for (const Chunk& chunk : closed_chunks()) EXPECT_GE(chunk.base, now.log_start);
  }

  void check_time(int64_t time_us) {
    const Offset start = stats().log_start;
    auto request = std::make_unique<ListOffsets>(Access::anonymous());
    request->topic = topic_;
    request->at = AppendedAt(time_us);
    const auto answer = stage_.answer(std::move(request));
    ASSERT_FALSE(answer->error) << answer->error.message();
    auto first = std::find_if(batches_.begin(), batches_.end(), [&](const Batch& batch) {
      return batch.base >= start && batch.append_us >= time_us;
    });
    EXPECT_EQ(answer->offset, first == batches_.end() ? end() : first->base) << "at " << time_us;
    if (first != batches_.end()) {
      EXPECT_EQ(answer->append_time_us, first->append_us);
    }
  }
  void check_times() {
    if (batches_.empty()) return;
    for (int i = 0; i < 6; ++i) {
      const Batch& some = batches_[prng_.below(batches_.size())];
      check_time(some.append_us + prng_.between(-1, 1));
    }
    check_time(0);
    check_time(batches_.back().append_us);
    check_time(batches_.back().append_us + 1);
  }

  // Everything that is left, from the start on.
  void check_reading() {
    Offset at = stats().log_start;
    auto expected = std::find_if(batches_.begin(), batches_.end(),
                                 [&](const Batch& batch) { return batch.base == at; });
    while (at < end()) {
      auto request = std::make_unique<Fetch>(Access::anonymous());
      request->topic = topic_;
      request->offset = at;
      request->max_bytes = 300'000;
      const auto answer = stage_.answer(std::move(request));
      ASSERT_FALSE(answer->error) << answer->error.message();
      ASSERT_FALSE(answer->batches.empty());
      for (const StoredBatch& stored : answer->batches) {
        ASSERT_NE(expected, batches_.end());
        const auto header = storage::read_header(stored.bytes.span());
        ASSERT_EQ(Offset(header->base_offset), expected->base);
        EXPECT_EQ(stored.append_time_us, expected->append_us);
        storage::RecordReader reader(stored.bytes.span().subspan(storage::kBatchHeaderSize),
                                     *header);
        storage::RecordView record;
        while (reader.next(&record)) {
          EXPECT_TRUE(record.value == expected->value);
        }
        at = expected->end;
        ++expected;
      }
    }
  }

  void live(int steps) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      publish();
      pass_time();
      if (prng_.chance(0.01)) restart();
      if (wrong_clocks_ && prng_.chance(0.005)) set_clock();
      if (prng_.chance(0.02)) check_times();
    }
    check_disk();
    check_times();
    check_reading();
    std::set<Month> months;
    for (const Batch& batch : batches_) months.insert(storage::month_of(batch.append_us));
    EXPECT_GE(months.size(), 3u) << "the test is about several months";
  }

  void live_with(const Retention& retention) {
    SCOPED_TRACE("seed " + std::to_string(GetParam()));
    create(retention);
    for (int i = 0; i < 12 && !HasFailure(); ++i) {
      for (int j = 0; j < 50 && !HasFailure(); ++j) {
        publish();
        pass_time();
      }
      if (prng_.chance(0.3)) restart();
      if (wrong_clocks_ && prng_.chance(0.3)) set_clock();
      check_retention();
      check_disk();
      check_times();
    }
    check_reading();
    EXPECT_TRUE(dropped_) << "the test is about what goes";
  }

  test::Prng prng_{GetParam()};
  test::CoreStage stage_;
  TopicPtr topic_;
  std::vector<Batch> batches_;
  bool wrong_clocks_ = GetParam() % 2 == 0;
  bool dropped_ = false;
};

TEST_P(LogOverMonths, OffsetsByTimeAndReading) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  create({});
  live(600);
  EXPECT_GE(closed_chunks().size(), 20u) << "the test is about many chunks";
}

TEST_P(LogOverMonths, RetentionByAge) {
  Retention retention;
  retention.age_us = prng_.between(1, 20) * kLogDayUs;
  live_with(retention);
}

TEST_P(LogOverMonths, RetentionByBytes) {
  Retention retention;
  retention.bytes = prng_.between(100'000, 1'000'000);
  live_with(retention);
}

TEST_P(LogOverMonths, RetentionByEvents) {
  Retention retention;
  retention.events = prng_.between(50, 500);
  live_with(retention);
}

TEST_P(LogOverMonths, RetentionByMonths) {
  Retention retention;
  retention.months = static_cast<uint32_t>(prng_.between(1, 2));
  live_with(retention);
}

TEST_P(LogOverMonths, RetentionByWhicheverComesFirst) {
  Retention retention;
  retention.age_us = 30 * kLogDayUs;
  retention.bytes = 700'000;
  retention.events = 900;
  retention.months = 1;
  live_with(retention);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogOverMonths, testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace headrace::core

#include "storage/month_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "storage/violations.h"

namespace headrace::storage {
namespace {

std::string batch_at(int64_t offset, const std::vector<std::string>& values) {
  BatchBuilder builder;
  for (const std::string& value : values) builder.add({.value = value, .timestamp_ms = 7});
  SharedBytes batch = builder.finish();
  patch_batch(batch.mutable_data(), Offset(offset), Epoch(3));
  return std::string(batch.view());
}

MonthFileHeader two_topics() {
  MonthFileHeader header;
  header.cluster_id = "c1";
  header.tenant = "acme";
  header.month = Month(202609);
  header.created_us = 1'793'318'400'000'000;
  header.topics = {{TopicId(5), "orders", 2}, {TopicId(9), "mails", 1}};
  header.ranges = {{0, PartitionId(1), Offset(40), Offset(43)},
                   {1, PartitionId(0), Offset(0), Offset(1)}};
  return header;
}

Violations kept_back(uint32_t record) {
  Violations violations;
  violations.add(record, "/total: is no number");
  return violations;
}

std::string small_file(MonthFileTotals* totals = nullptr) {
  std::string bytes;
  MonthFileWriter writer([&](std::string_view more) {
    bytes += more;
    return true;
  });
  MonthFileTotals unused;
  EXPECT_TRUE(writer.begin(two_topics())) << writer.error();
  EXPECT_TRUE(writer.add(0, 100, batch_at(40, {"a", "b"}))) << writer.error();
  EXPECT_TRUE(writer.add(0, 100, batch_at(42, {"c"}), kept_back(0).encode())) << writer.error();
  EXPECT_TRUE(writer.add(1, 90, batch_at(0, {"d"}))) << writer.error();
  EXPECT_TRUE(writer.finish(totals == nullptr ? &unused : totals)) << writer.error();
  return bytes;
}

struct ReadMonth {
  bool whole = false;
  std::string error;
  MonthFileHeader header;
  MonthFileTotals totals;
  std::vector<MonthFileBatch> batches;
};

ReadMonth read_month(std::string_view bytes) {
  MonthFileReader reader([&](char* to, size_t size) {
    size = std::min(size, bytes.size());
    std::memcpy(to, bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  });
  ReadMonth found;
  MonthFileBatch batch;
  if (reader.open()) {
    auto next = reader.next(&batch);
    for (; next == MonthFileReader::Next::batch; next = reader.next(&batch)) {
      found.batches.push_back(batch);
    }
    found.whole = next == MonthFileReader::Next::end;
  }
  found.error = reader.error();
  found.header = reader.header();
  found.totals = reader.totals();
  return found;
}

TEST(MonthFile, ComesBackAsItWasWritten) {
  MonthFileTotals written;
  const ReadMonth found = read_month(small_file(&written));
  ASSERT_TRUE(found.whole) << found.error;
  EXPECT_EQ(found.header, two_topics());
  ASSERT_EQ(found.batches.size(), 3u);
  EXPECT_EQ(found.batches[1].bytes, batch_at(42, {"c"}));
  EXPECT_EQ(found.batches[1].append_time_us, 100);
  EXPECT_EQ(found.batches[0].violations, "");
  EXPECT_EQ(found.batches[1].violations, kept_back(0).encode());
  EXPECT_EQ(found.batches[2].range, 1u);
  EXPECT_EQ(found.totals.events, 4u);
  EXPECT_EQ(found.totals.batches, 3u);
  EXPECT_EQ(found.totals.hash, written.hash);
  EXPECT_EQ(found.totals.digests, written.digests);
  EXPECT_NE(written.digests[0], written.digests[1]);
}

TEST(MonthFile, CutOffAnywhereItIsRefused) {
  const std::string whole = small_file();
  for (size_t size = 0; size < whole.size(); ++size) {
    const ReadMonth found = read_month(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(found.whole) << size;
    ASSERT_FALSE(found.error.empty()) << size;
  }
  EXPECT_FALSE(read_month(whole + '\0').whole);
}

TEST(MonthFile, WithAnyBitAnotherItIsRefused) {
  std::string bytes = small_file();
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(read_month(bytes).whole) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  EXPECT_TRUE(read_month(bytes).whole);
}

TEST(MonthFile, TheWriterTakesNothingThatTheReaderWouldRefuse) {
  const auto writer_of_two = [] {
    auto writer = std::make_unique<MonthFileWriter>([](std::string_view) { return true; });
    EXPECT_TRUE(writer->begin(two_topics()));
    return writer;
  };
  MonthFileTotals totals;
  EXPECT_FALSE(writer_of_two()->add(0, 1, batch_at(41, {"gap"})));
  EXPECT_FALSE(writer_of_two()->add(1, 1, batch_at(0, {"too early"})));
  EXPECT_FALSE(writer_of_two()->add(0, 1, batch_at(40, {"1", "2", "3", "4"})));
  EXPECT_FALSE(writer_of_two()->add(0, 1, "no batch"));
  EXPECT_FALSE(writer_of_two()->finish(&totals));
  EXPECT_FALSE(writer_of_two()->add(0, 1, batch_at(40, {"1"}), kept_back(1).encode()));
  EXPECT_FALSE(writer_of_two()->add(0, 1, batch_at(40, {"1"}), "violations"));
  auto back = writer_of_two();
  EXPECT_TRUE(back->add(0, 5, batch_at(40, {"1"})));
  EXPECT_FALSE(back->add(0, 4, batch_at(41, {"2"})));
  EXPECT_EQ(back->error(), "append times go back");
  MonthFileWriter full([](std::string_view) { return false; });
  EXPECT_FALSE(full.begin(two_topics()));
  MonthFileHeader twice = two_topics();
  twice.ranges[1] = twice.ranges[0];
  MonthFileWriter unsorted([](std::string_view) { return true; });
  EXPECT_FALSE(unsorted.begin(twice));
}

}  // namespace
}  // namespace headrace::storage

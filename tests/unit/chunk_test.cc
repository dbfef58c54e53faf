#include "storage/chunk.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace headrace::storage {
namespace {

BatchHeader header_at(int64_t base_offset, int32_t records, size_t size, int64_t max_ms = 0) {
  BatchHeader header;
  header.base_offset = base_offset;
  header.record_count = records;
  header.last_offset_delta = records - 1;
  header.batch_length = static_cast<int32_t>(size - 12);
  header.max_timestamp_ms = max_ms;
  return header;
}

Summary known(std::vector<Summary::TypeCount> types, std::vector<uint64_t> lookups = {}) {
  Summary summary;
  summary.types = std::move(types);
  summary.lookups = std::move(lookups);
  summary.lookups_unknown = false;
  return summary;
}

TEST(Bloom, HoldsWhatWasPutAndLittleElse) {
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 5'000; ++i) {
    hashes.push_back(lookup_hash(Lookup::key, "key-" + std::to_string(i)));
  }
  const Bloom bloom(hashes);
  EXPECT_EQ(bloom.bytes().size(), 6'256u);  // 50,000 bits in whole words
  for (const uint64_t hash : hashes) EXPECT_TRUE(bloom.may_contain(hash));
  int wrong = 0;
  for (int i = 0; i < 10'000; ++i) {
    wrong += bloom.may_contain(lookup_hash(Lookup::key, "other-" + std::to_string(i)));
  }
  EXPECT_LT(wrong, 150);  // about 0.8 %
  // The same text as an id is another entry.
  EXPECT_NE(lookup_hash(Lookup::id, "key-1"), lookup_hash(Lookup::key, "key-1"));
}

TEST(Bloom, EmptyContainsNothingAndSizeIsCapped) {
  EXPECT_FALSE(Bloom().may_contain(1));
  EXPECT_EQ(Bloom(std::vector<uint64_t>(Summary::kMaxLookups, 7)).bytes().size(), Bloom::kMaxBytes);
  EXPECT_FALSE(Bloom::from_bytes("not a multiple of eight"));
  EXPECT_FALSE(Bloom::from_bytes(std::string(Bloom::kMaxBytes + 8, 'x')));
}

TEST(ChunkBuilder, DescribesItsBatches) {
  ChunkBuilder builder;
  const uint64_t hash = lookup_hash(Lookup::key, "k");
  builder.add(header_at(100, 3, 500, 70), 1'000, known({{"a", 2}, {"b", 1}}, {hash, hash}));
  builder.add(header_at(103, 2, 300, 50), 1'250, known({{"b", 2}}));
  EXPECT_EQ(builder.base_offset(), Offset(100));
  EXPECT_EQ(builder.next_offset(), Offset(105));
  const ChunkRow row = builder.finish();
  EXPECT_TRUE(builder.empty());
  ASSERT_EQ(row.batches.size(), 2u);
  EXPECT_EQ(row.batches[1], (ChunkRow::Batch{3, 300, 2, 250}));
  ASSERT_EQ(row.types.size(), 2u);
  EXPECT_EQ(row.types[1].type, "b");
  EXPECT_EQ(row.types[1].count, 3u);
  EXPECT_EQ(row.first_append_us, 1'000);
  EXPECT_EQ(row.last_append_us, 1'250);
  EXPECT_EQ(row.max_timestamp_ms, 70);
  EXPECT_EQ(row.last_offset_delta, 4);
  EXPECT_EQ(row.total_bytes, 800u);
  EXPECT_EQ(row.bloom.bytes().size(), 8u);  // a repeated key counts once
  EXPECT_TRUE(row.may_contain(Lookup::key, "k"));
  EXPECT_EQ(ChunkRow::decode(row.encode()), row);
}

TEST(ChunkBuilder, NegativeTimestampsHaveAMaximumToo) {
  ChunkBuilder builder;
  builder.add(header_at(0, 1, 100, -5), 0, known({}));
  EXPECT_EQ(builder.finish().max_timestamp_ms, -5);
}

TEST(ChunkBuilder, ClosesBySizeCountAndAge) {
  ChunkBuilder builder;
  EXPECT_FALSE(builder.should_close(INT64_MAX));
  builder.add(header_at(0, 1, ChunkBuilder::kMaxBytes - 1), 5, known({}));
  EXPECT_FALSE(builder.should_close(5));
  EXPECT_FALSE(builder.should_close(5 + ChunkBuilder::kMaxAgeUs - 1));
  EXPECT_TRUE(builder.should_close(5 + ChunkBuilder::kMaxAgeUs));
  builder.add(header_at(1, 1, 61), 6, known({}));
  EXPECT_TRUE(builder.should_close(6));
  builder.finish();
  for (size_t i = 0; i < ChunkRow::kMaxBatches; ++i) {
    EXPECT_FALSE(builder.should_close(0));
    builder.add(header_at(static_cast<int64_t>(i), 1, 61), 0, known({}));
  }
  EXPECT_TRUE(builder.should_close(0));
}

TEST(ChunkBuilder, UnknownStaysUnknownUntilTheNextChunk) {
  ChunkBuilder builder;
  Summary unknown;
  unknown.types_unknown = true;
  builder.add(header_at(0, 1, 100), 0, known({{"a", 1}}, {1, 2}));
  builder.add(header_at(1, 1, 100), 0, unknown);
  builder.add(header_at(2, 1, 100), 0, known({{"a", 1}}, {3}));
  const ChunkRow row = builder.finish();
  EXPECT_TRUE(row.types_unknown);
  EXPECT_TRUE(row.types.empty());
  EXPECT_TRUE(row.lookups_unknown);
  EXPECT_TRUE(row.may_contain(Lookup::id, "anything"));
  EXPECT_EQ(ChunkRow::decode(row.encode()), row);
  builder.add(header_at(3, 1, 100), 0, known({{"a", 1}}, {3}));
  EXPECT_FALSE(builder.finish().types_unknown);
}

TEST(ChunkBuilder, TypesAreBoundedAndCountsStopAtTheTop) {
  ChunkBuilder builder;
  int64_t offset = 0;
  for (size_t i = 0; i < ChunkRow::kMaxTypes; ++i) {
    if (i == 250) break;
    builder.add(header_at(offset++, 1, 100), 0, known({{std::to_string(i), UINT32_MAX}}));
  }
  builder.add(header_at(offset++, 1, 100), 0, known({{"0", 1}}));
  ChunkBuilder full = builder;
  EXPECT_EQ(builder.finish().types[0].count, UINT32_MAX);
  std::vector<Summary::TypeCount> more;
  for (int i = 0; i < 7; ++i) more.push_back({"more-" + std::to_string(i), 1});
  full.add(header_at(offset, 1, 100), 0, known(more));
  EXPECT_TRUE(full.finish().types_unknown);
}

TEST(ChunkBuilder, ManyLookupsAreUnknown) {
  ChunkBuilder builder;
  std::vector<uint64_t> hashes(Summary::kMaxLookups);
  for (size_t i = 0; i < hashes.size(); ++i) hashes[i] = i * 0x9e3779b97f4a7c15ULL;
  builder.add(header_at(0, 1, 100), 0, known({}, hashes));
  ChunkBuilder more = builder;
  EXPECT_TRUE(builder.finish().bloom.may_contain(0)) << "a hash of zero is an entry like others";
  more.add(header_at(1, 1, 100), 0, known({}, {1}));
  EXPECT_TRUE(more.finish().lookups_unknown);
}

TEST(ChunkBuilderDeathTest, GapsAndTimeGoingBackAreBugs) {
  ChunkBuilder builder;
  builder.add(header_at(10, 5, 100), 50, known({}));
  EXPECT_DEATH(builder.add(header_at(16, 1, 100), 50, known({})), "check failed");
  EXPECT_DEATH(builder.add(header_at(15, 1, 100), 49, known({})), "check failed");
}

RC_GTEST_PROP(ChunkRow, DecodesWhatItEncodes, ()) {
  ChunkBuilder builder;
  int64_t offset = *rc::gen::inRange<int64_t>(0, int64_t{1} << 60);
  int64_t time = *rc::gen::inRange<int64_t>(0, int64_t{1} << 60);
  const int batches = *rc::gen::inRange(1, 20);
  for (int i = 0; i < batches; ++i) {
    Summary summary;
    summary.types_unknown = *rc::gen::inRange(0, 30) == 0;
    summary.lookups_unknown = *rc::gen::inRange(0, 30) == 0;
    summary.types = {{*rc::gen::string<std::string>(), *rc::gen::arbitrary<uint32_t>()}};
    summary.lookups = *rc::gen::arbitrary<std::vector<uint64_t>>();
    const auto records = *rc::gen::inRange(1, 1'000);
    builder.add(header_at(offset, records, *rc::gen::inRange<size_t>(61, 1'000'000)), time,
                summary);
    offset += records;
    time += *rc::gen::inRange<int64_t>(0, 1'000'000);
  }
  const ChunkRow row = builder.finish();
  const std::string bytes = row.encode();
  RC_ASSERT(ChunkRow::decode(bytes) == row);
  RC_ASSERT(!ChunkRow::decode(bytes + "x").has_value());
  const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!ChunkRow::decode(bytes.substr(0, cut)).has_value());
}

}  // namespace
}  // namespace headrace::storage

#include "storage/lookup_rows.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace headrace::storage {
namespace {

BatchHeader lookup_header(int32_t records, size_t size) {
  BatchHeader header;
  header.record_count = records;
  header.batch_length = static_cast<int32_t>(size - 12);
  return header;
}

Summary lookup_summary(std::vector<uint64_t> lookups) {
  Summary summary;
  summary.lookups = std::move(lookups);
  summary.lookups_unknown = false;
  return summary;
}

// The batches that a reader of the rows takes for those with the entry.
std::set<int64_t> found_by(const std::vector<LookupBuilder::Row>& rows, uint64_t hash) {
  const Fingerprint print(hash);
  std::set<int64_t> offsets;
  for (const auto& [bucket, row] : rows) {
    if (bucket != print.bucket && bucket != kUnseenBucket) continue;
    const auto hits = LookupHits::decode(row, print.rest);
    EXPECT_TRUE(hits);
    for (const LookupHit& hit : hits->batches) offsets.insert(hit.offset_delta);
  }
  return offsets;
}

RC_GTEST_PROP(LookupRows, FindEveryBatchThatHasAnEntry, ()) {
  LookupBuilder builder;
  std::map<uint64_t, std::set<int64_t>> wanted;
  std::set<int64_t> unseen;
  std::map<int64_t, std::set<uint16_t>> rests;
  int64_t offset = 0;
  const int batches = *rc::gen::inRange(1, 40);
  for (int i = 0; i < batches; ++i) {
    auto hashes = *rc::gen::container<std::vector<uint64_t>>(rc::gen::oneOf(
        rc::gen::arbitrary<uint64_t>(), rc::gen::element<uint64_t>(0, 1, 2),
        rc::gen::map(rc::gen::inRange<uint64_t>(0, 50),
                     [](uint64_t n) { return uint64_t{n * 0x9e3779b97f4a7c15ULL}; })));
    Summary summary = lookup_summary(hashes);
    summary.lookups_unknown = *rc::gen::inRange(0, 10) == 0;
    if (summary.lookups_unknown) {
      unseen.insert(offset);
    } else {
      for (const uint64_t hash : hashes) wanted[hash].insert(offset);
    }
    const auto records = *rc::gen::inRange(1, 1'000);
    builder.add(lookup_header(records, 100), 1'000 + i, summary);
    offset += records;
  }
  std::map<uint64_t, std::set<int64_t>> open;
  for (const auto& [hash, batches_of_it] : wanted) {
    for (const LookupHit& hit : builder.find({hash})) open[hash].insert(hit.offset_delta);
  }
  const auto rows = builder.finish();
  RC_ASSERT(builder.empty());
  for (const auto& [hash, batches_of_it] : wanted) {
    std::set<int64_t> must = batches_of_it;
    must.insert(unseen.begin(), unseen.end());
    // Others whose entry cannot be told from it, too.
    for (const auto& [other, of_other] : wanted) {
      const Fingerprint a(hash);
      const Fingerprint b(other);
      if (a.bucket == b.bucket && a.rest == b.rest) must.insert(of_other.begin(), of_other.end());
    }
    RC_ASSERT(found_by(rows, hash) == must);
    RC_ASSERT(open[hash] == must);
  }
}

RC_GTEST_PROP(LookupRows, ContentsDecodeWhatTheyEncode, ()) {
  LookupBuilder builder;
  int64_t time = *rc::gen::inRange<int64_t>(0, int64_t{1} << 60);
  const int batches = *rc::gen::inRange(1, 40);
  std::vector<std::set<std::string>> types;
  for (int i = 0; i < batches; ++i) {
    Summary summary = lookup_summary({});
    summary.types_unknown = *rc::gen::inRange(0, 10) == 0;
    auto& of_batch = types.emplace_back();
    const auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 20));
    for (const int type : std::set<int>(drawn.begin(), drawn.end())) {
      summary.types.push_back({"t" + std::to_string(type), 1});
      of_batch.insert(summary.types.back().type);
    }
    if (summary.types_unknown) of_batch = {"?"};
    builder.add(lookup_header(*rc::gen::inRange(1, 1'000), *rc::gen::inRange<size_t>(61, 100'000)),
                time, summary);
    time += *rc::gen::inRange<int64_t>(0, 1'000'000);
  }
  const auto rows = builder.finish();
  RC_ASSERT(rows.back().first == kContentsBucket);
  const std::string& bytes = rows.back().second;
  const auto row = ContentsRow::decode(bytes);
  RC_ASSERT(row.has_value());
  RC_ASSERT(row->encode() == bytes);
  for (size_t i = 0; i < types.size(); ++i) {
    RC_ASSERT(has_bit(row->any_type, i) == (types[i].count("?") > 0));
    for (const auto& type : row->types) {
      RC_ASSERT(has_bit(type.batches, i) == (types[i].count(type.name) > 0));
    }
  }
  RC_ASSERT(!ContentsRow::decode(bytes + "x").has_value());
  RC_ASSERT(!ContentsRow::decode(bytes.substr(0, *rc::gen::inRange<size_t>(0, bytes.size()))));
}

TEST(LookupRows, MoreEntriesThanFitLeaveTheirBatchUnseen) {
  LookupBuilder builder;
  std::vector<uint64_t> hashes(LookupBuilder::kMaxEntries);
  for (size_t i = 0; i < hashes.size(); ++i) hashes[i] = i * 0x9e3779b97f4a7c15ULL;
  builder.add(lookup_header(1, 100), 0, lookup_summary(hashes));
  builder.add(lookup_header(1, 100), 0, lookup_summary({1}));
  const auto rows = builder.finish();
  EXPECT_EQ(found_by(rows, 0x1234567812345678), (std::set<int64_t>{1}));
  EXPECT_EQ(found_by(rows, hashes[99]), (std::set<int64_t>{0, 1}));
}

TEST(LookupRows, TypesBeyondTheBoundMayBeAnywhereInTheirBatch) {
  LookupBuilder builder;
  for (size_t i = 0; i <= ContentsRow::kMaxTypes / 64; ++i) {
    Summary summary = lookup_summary({});
    for (int type = 0; type < 64; ++type) {
      summary.types.push_back({std::to_string(i) + "." + std::to_string(type), 1});
    }
    if (i < ChunkRow::kMaxBatches) builder.add(lookup_header(1, 100), 0, summary);
  }
  const auto rows = builder.finish();
  const auto row = ContentsRow::decode(rows.back().second);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->types.size(), ContentsRow::kMaxTypes);
  EXPECT_TRUE(has_bit(row->any_type, row->batches.size() - 1));
  EXPECT_FALSE(has_bit(row->any_type, 0));
}

TEST(LookupRows, DamageIsNoRow) {
  LookupBuilder builder;
  builder.add(lookup_header(3, 100), 5, lookup_summary({7}));
  const std::string row = builder.finish().front().second;
  EXPECT_TRUE(LookupHits::decode(row, 0));
  for (size_t cut = 0; cut < row.size(); ++cut) {
    // Cut off behind the head it is a row of no batches.
    EXPECT_EQ(LookupHits::decode(row.substr(0, cut), 0).has_value(), cut == 10) << cut;
  }
  EXPECT_FALSE(LookupHits::decode("\x02" + row.substr(1), 0));
}

}  // namespace
}  // namespace headrace::storage

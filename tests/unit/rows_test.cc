#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "storage/envelope.h"
#include "storage/offset_row.h"
#include "storage/producer_row.h"

namespace headrace::storage {
namespace {

ProducerRow::Range range(int32_t first, int32_t last, int64_t offset) {
  return {first, last, Offset(offset), 1'000 + offset, Epoch(3)};
}

TEST(ProducerRow, RemembersTheLastFiveRanges) {
  ProducerRow row;
  EXPECT_EQ(row.last(), nullptr);
  for (int32_t i = 0; i < 7; ++i) row.push(range(i * 10, i * 10 + 9, i * 10));
  EXPECT_EQ(row.range_count, ProducerRow::kMaxRanges);
  EXPECT_EQ(row.find(10, 19), nullptr);
  ASSERT_NE(row.find(20, 29), nullptr);
  EXPECT_EQ(row.find(20, 29)->base_offset, Offset(20));
  EXPECT_EQ(row.find(20, 28), nullptr);
  EXPECT_EQ(row.last()->first_sequence, 60);
}

RC_GTEST_PROP(ProducerRow, DecodesWhatItEncodes, ()) {
  ProducerRow row;
  row.epoch = *rc::gen::nonNegative<int16_t>();
  row.last_used_us = *rc::gen::arbitrary<int64_t>();
  const int count = *rc::gen::inRange(0, 9);
  for (int i = 0; i < count; ++i) {
    row.push({*rc::gen::nonNegative<int32_t>(), *rc::gen::nonNegative<int32_t>(),
              Offset(*rc::gen::nonNegative<int64_t>()), *rc::gen::arbitrary<int64_t>(),
              Epoch(*rc::gen::arbitrary<uint32_t>())});
  }
  const std::string bytes = row.encode();
  const auto decoded = ProducerRow::decode(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->encode() == bytes);
  RC_ASSERT(!ProducerRow::decode(bytes + "x").has_value());
  const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!ProducerRow::decode(bytes.substr(0, cut)).has_value());
}

TEST(ProducerRow, DamageIsRefused) {
  ProducerRow row;
  row.push(range(0, 9, 0));
  const std::string bytes = row.encode();
  std::string other = bytes;
  other[0] = 2;
  EXPECT_FALSE(ProducerRow::decode(other)) << "version";
  other = bytes;
  other[11] = 6;
  EXPECT_FALSE(ProducerRow::decode(other)) << "range count";
  other = bytes;
  other[12] = '\x80';
  EXPECT_FALSE(ProducerRow::decode(other)) << "negative sequence";
}

RC_GTEST_PROP(OffsetRow, DecodesWhatItEncodes, ()) {
  const OffsetRow row{Offset(*rc::gen::nonNegative<int64_t>()), *rc::gen::arbitrary<int64_t>(),
                      Epoch(*rc::gen::arbitrary<uint32_t>()), *rc::gen::arbitrary<uint32_t>()};
  const std::string bytes = row.encode();
  RC_ASSERT(OffsetRow::decode(bytes) == row);
  RC_ASSERT(!OffsetRow::decode(bytes + "x").has_value());
  const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!OffsetRow::decode(bytes.substr(0, cut)).has_value());
}

TEST(OffsetRow, ForeignVersionsAndNegativePositionsAreRefused) {
  std::string bytes = OffsetRow{}.encode();
  bytes[0] = 2;
  EXPECT_FALSE(OffsetRow::decode(bytes));
  bytes[0] = 1;
  bytes[1] = '\x80';
  EXPECT_FALSE(OffsetRow::decode(bytes));
}

TEST(Envelope, DecodesWhatItEncodes) {
  const Envelope envelope{1, 42, 1'700'000'000'000'000};
  const auto bytes = envelope.encode();
  const auto decoded = Envelope::decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->flags, 1);
  EXPECT_EQ(decoded->key_id, 42u);
  EXPECT_EQ(decoded->append_time_us, 1'700'000'000'000'000);
  EXPECT_FALSE(Envelope::decode(std::span(bytes).first(15)));
  auto newer = bytes;
  for (const int version : {2, 3}) {  // 2 has violations, and says so in the flags
    newer[0] = std::byte(version);
    EXPECT_FALSE(Envelope::decode(newer));
  }
}

}  // namespace
}  // namespace headrace::storage

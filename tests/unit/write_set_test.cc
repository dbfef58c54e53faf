#include "storage/write_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "metrics/crc32c.h"

namespace headrace::storage {
namespace {

const Place kState{.table = Table::state};
const Place kOffsets{.table = Table::offsets};
const Place kLog{Table::log, Month(202611), TenantId(1)};
const PartitionKey kPartition{TenantId(1), TopicId(2), SliceId(0), PartitionId(3)};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(WriteSet, AKeyWrittenTwiceKeepsTheLastValue) {
  WriteSet set;
  set.put(kState, Key("a"), "first");
  set.put(kOffsets, Key("a"), "other table");
  set.put(kState, Key("a"), "second");
  ASSERT_EQ(set.mutations().size(), 2u);
  EXPECT_EQ(set.mutations()[0].value, "second");
  EXPECT_EQ(set.bytes(), 1 + 6u + 1 + 11u);
  set.remove(kState, Key("a"));
  EXPECT_EQ(set.mutations()[0].op, Op::remove);
  EXPECT_EQ(set.bytes(), 1 + 1 + 11u);
  set.put(kState, Key("a"), "back");
  EXPECT_EQ(set.mutations()[0].op, Op::put);
  EXPECT_EQ(set.mutations().size(), 2u);
}

TEST(WriteSet, APutAfterARangeRemovalIsNotMovedBeforeIt) {
  WriteSet set;
  set.put(kState, Key("b"), "gone");
  set.remove_range(kState, Key("a"), Key("c"));
  set.put(kState, Key("b"), "stays");
  ASSERT_EQ(set.mutations().size(), 3u);
  EXPECT_EQ(set.mutations()[2].value, "stays");
}

TEST(WriteSet, CountsBatchesWithTheirEnvelope) {
  WriteSet set;
  const Key key = log_key(LogKind::batch, kPartition, Offset(0));
  set.put_batch(kLog, key, Envelope{}, SharedBytes::copy_of("batch"));
  EXPECT_EQ(set.bytes(), key.size() + kEnvelopeSize + 5);
  set.clear();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.bytes(), 0u);
}

TEST(WriteSet, DurabilityIsTheStrongestAskedFor) {
  WriteSet set;
  set.strengthen(Durability::durable);
  set.strengthen(Durability::written);
  EXPECT_EQ(set.durability, Durability::durable);
}

// Random sets: with few keys, so that many are written twice.
struct Step {
  int kind = 0;
  std::string key;
  std::string value;
};

std::vector<Step> any_steps() {
  const auto key = rc::gen::map(rc::gen::inRange(0, 40), [](int n) { return std::to_string(n); });
  return *rc::gen::container<std::vector<Step>>(
      rc::gen::build<Step>(rc::gen::set(&Step::kind, rc::gen::inRange(0, 10)),
                           rc::gen::set(&Step::key, key), rc::gen::set(&Step::value)));
}

WriteSet build(const std::vector<Step>& steps) {
  WriteSet set;
  set.shard = ShardId(*rc::gen::arbitrary<uint16_t>());
  set.epoch = Epoch(*rc::gen::arbitrary<uint32_t>());
  set.sequence = *rc::gen::arbitrary<uint64_t>();
  set.durability = *rc::gen::element(Durability::memory, Durability::written, Durability::durable);
  int64_t offset = 0;
  for (const Step& step : steps) {
    if (step.kind < 6) {
      set.put(kState, Key(step.key), step.value);
    } else if (step.kind < 8) {
      set.remove(kState, Key(step.key));
    } else if (step.kind == 8) {
      set.remove_range(kState, Key(step.key), Key(step.key + "~"));
    } else {
      ++offset;
      set.put_batch(kLog, log_key(LogKind::batch, kPartition, Offset(offset)),
                    Envelope{0, 7, offset}, SharedBytes::copy_of(step.value + "!"));
    }
  }
  return set;
}

RC_GTEST_PROP(WriteSet, MeansTheSameAsItsStepsInOrder, ()) {
  const std::vector<Step> steps = any_steps();
  std::map<std::string, std::string> expected;
  for (const Step& step : steps) {
    if (step.kind < 6) expected[step.key] = step.value;
    if (step.kind == 6 || step.kind == 7) expected.erase(step.key);
    if (step.kind == 8) {
      expected.erase(expected.lower_bound(step.key), expected.lower_bound(step.key + "~"));
    }
  }
  const WriteSet set = build(steps);
  std::map<std::string, std::string> actual;
  size_t bytes = 0;
  for (const Mutation& mutation : set.mutations()) {
    const std::string key(mutation.key.view());
    if (mutation.op == Op::put) actual[key] = mutation.value;
    if (mutation.op == Op::remove) actual.erase(key);
    if (mutation.op == Op::remove_range) {
      const std::string end(mutation.end.view());
      actual.erase(actual.lower_bound(key), actual.lower_bound(end));
    }
    bytes += mutation.bytes();
  }
  RC_ASSERT(actual == expected);
  RC_ASSERT(set.bytes() == bytes);
}

RC_GTEST_PROP(WriteSet, SerialisesAndParsesBack, ()) {
  const WriteSet set = build(any_steps());
  const std::string bytes = set.serialize();
  const auto parsed = WriteSet::parse(bytes_of(bytes));
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(parsed->serialize() == bytes);
  RC_ASSERT(parsed->to_text() == set.to_text());
  RC_ASSERT(parsed->bytes() == set.bytes());
}

RC_GTEST_PROP(WriteSet, AnyFlippedByteIsRefused, ()) {
  std::string bytes = build(any_steps()).serialize();
  const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
  RC_ASSERT(!WriteSet::parse(bytes_of(bytes)).has_value());
}

// Damage that a valid checksum covers, as a broken writer would make it.
RC_GTEST_PROP(WriteSet, AnyTruncationIsRefused, ()) {
  std::string bytes = build(any_steps()).serialize();
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() - 4));
  const uint32_t crc = byte_swapped(crc32c_extend(0, bytes.data(), bytes.size()));
  bytes.append(reinterpret_cast<const char*>(&crc), 4);
  RC_ASSERT(!WriteSet::parse(bytes_of(bytes)).has_value());
}

TEST(WriteSet, AParsedSetGoesOn) {
  WriteSet set;
  set.put(kState, Key("a"), "1");
  auto parsed = WriteSet::parse(bytes_of(set.serialize()));
  ASSERT_TRUE(parsed);
  parsed->put(kState, Key("a"), "2");
  EXPECT_EQ(parsed->mutations().back().value, "2");
}

TEST(WriteSet, TextHasALineAMutation) {
  WriteSet set;
  set.shard = ShardId(5);
  set.epoch = Epoch(2);
  set.sequence = 9;
  set.durability = Durability::durable;
  set.put_batch(kLog, log_key(LogKind::batch, kPartition, Offset(42)), Envelope{0, 0, 1234},
                SharedBytes::copy_of("12345"));
  set.put(kState, applied_key(ShardId(5)), "value");
  set.remove(kState, log_start_key(kPartition));
  set.remove_range(kState, epoch_start_key(kPartition, Epoch(0)),
                   epoch_start_key(kPartition, Epoch(9)));
  EXPECT_EQ(set.to_text(),
            "shard 5 epoch 2 sequence 9 durable\n"
            "  put_batch [202611] log batch t1/topic2/s0/p3@42 = batch of 5 bytes, appended 1234\n"
            "  put state applied shard 5 = 5 bytes\n"
            "  remove state log_start t1/topic2/s0/p3\n"
            "  remove_range state epoch_start t1/topic2/s0/p3 epoch 0 .. "
            "state epoch_start t1/topic2/s0/p3 epoch 9\n");
}

TEST(WriteSetDeathTest, EmptyRangesAndBatchesOutsideTheLogAreBugs) {
  WriteSet set;
  EXPECT_DEATH(set.remove_range(kState, Key("b"), Key("b")), "check failed");
  EXPECT_DEATH(set.put_batch(kState, Key("b"), Envelope{}, SharedBytes::copy_of("x")),
               "check failed");
  EXPECT_DEATH(set.put(kState, Key(), "x"), "check failed");
}

}  // namespace
}  // namespace headrace::storage

#include "storage/violations.h"

#include <gtest/gtest.h>

#include "storage/byte_reader.h"
#include "storage/envelope.h"
#include "storage/write_set.h"

namespace headrace::storage {
namespace {

constexpr size_t kSizeBytes = sizeof(uint32_t);

std::optional<Violations> read_back(const Violations& violations) {
  return Violations::decode(std::string_view(violations.encode()).substr(kSizeBytes));
}

void expect_equal(const Violations& read, const Violations& written) {
  ASSERT_EQ(read.list().size(), written.list().size());
  for (size_t i = 0; i < read.list().size(); ++i) {
    EXPECT_EQ(read.list()[i].record, written.list()[i].record);
    EXPECT_EQ(read.list()[i].text, written.list()[i].text);
  }
}

TEST(Violations, DecodesWhatItEncodes) {
  Violations violations;
  for (const uint32_t record : {0u, 1u, 2u, 7u, 8u, 300u}) {
    violations.add(record, record % 2 == 0 ? "/a: number " + std::to_string(record) : "");
  }
  const auto read = read_back(violations);
  ASSERT_TRUE(read);
  expect_equal(*read, violations);
  EXPECT_EQ(read->find(300)->text, "/a: number 300");
  EXPECT_EQ(read->find(7)->text, "");
  EXPECT_EQ(read->find(3), nullptr);
  EXPECT_EQ(read->find(301), nullptr);
}

TEST(Violations, TextsAreBoundedAndCleaned) {
  Violations violations;
  violations.add(0, std::string(10 * kViolationTextMax, 'x'));
  violations.add(1, "a\xff");
  EXPECT_EQ(violations.find(0)->text.size(), kViolationTextMax);
  EXPECT_EQ(violations.find(1)->text, "a\xef\xbf\xbd");
}

// As many as a batch may have: beyond the room for texts a run costs a few bytes.
TEST(Violations, ManyAreSmall) {
  Violations violations;
  for (uint32_t i = 0; i < kViolationsMax; ++i) violations.add(i, std::string(100, 'x'));
  const std::string bytes = violations.encode();
  EXPECT_GT(bytes.size(), kViolationTextsMax);
  EXPECT_LT(bytes.size(), 2 * kViolationTextsMax);
  const auto read = read_back(violations);
  ASSERT_TRUE(read);
  expect_equal(*read, violations);
}

TEST(ViolationsDeathTest, OneMoreThanABatchMayHaveIsABug) {
  Violations violations;
  for (uint32_t i = 0; i < kViolationsMax; ++i) violations.add(i, "");
  EXPECT_DEATH(violations.add(kViolationsMax, ""), "check failed");
}

TEST(Violations, DamagedBytesAreRefused) {
  Violations violations;
  violations.add(3, "text");
  const std::string bytes = violations.encode().substr(kSizeBytes);
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_FALSE(Violations::decode(std::string_view(bytes).substr(0, size))) << size;
  }
  std::string many;
  append_uvarint(&many, 0);
  append_uvarint(&many, kViolationsMax + 1);
  append_uvarint(&many, 0);
  EXPECT_FALSE(Violations::decode(many));
  std::string none;
  for (int i = 0; i < 3; ++i) append_uvarint(&none, 0);
  EXPECT_FALSE(Violations::decode(none));
}

TEST(Violations, AreBetweenEnvelopeAndBatch) {
  const Envelope envelope{kEnvelopeHasViolations, 0, 42};
  Violations violations;
  violations.add(1, "why");
  const std::string value = std::string(as_text(envelope.encode())) + violations.encode() + "batch";
  const auto opened = open_value(value);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->append_time_us, 42);
  EXPECT_EQ(opened->batch, "batch");
  ASSERT_NE(opened->violations, nullptr);
  EXPECT_EQ(opened->violations->find(1)->text, "why");
  for (size_t size = 0; size < value.size() - 5; ++size) {
    EXPECT_FALSE(open_value(std::string_view(value).substr(0, size))) << size;
  }
  const auto envelope_only = Envelope{0, 0, 7}.encode();
  const auto plain = open_value(as_text(envelope_only));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->violations, nullptr);
}

TEST(Violations, TravelInASerialisedSet) {
  Violations violations;
  violations.add(0, "why");
  WriteSet set;
  set.sequence = 1;
  set.put_batch(
      {Table::log, Month(202611), TenantId(0)},
      log_key(LogKind::batch, {TenantId(1), TopicId(2), SliceId(0), PartitionId(3)}, Offset(42)),
      Envelope{0, 0, 1234}, SharedBytes::copy_of("12345"), violations.encode());
  EXPECT_NE(set.to_text().find("violations of"), std::string::npos);
  const std::string bytes = set.serialize();
  const auto parsed = WriteSet::parse(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_text(), set.to_text());
  EXPECT_EQ(parsed->bytes(), set.bytes());
  EXPECT_EQ(parsed->mutations()[0].value, violations.encode());
  EXPECT_EQ(parsed->serialize(), bytes);
}

}  // namespace
}  // namespace headrace::storage

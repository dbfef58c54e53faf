// What a selection of dead letters reads of their rows against what it reads of the letters.
#include "broker/core/letter_row.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

DeadLetter letter_of(int grade, FailureReason reason, bool with_event) {
  storage::BatchBuilder builder;
  const std::string text = std::to_string(grade);
  const storage::HeaderField headers[] = {{"ce_type", "course.graduated"}, {"grade", text}};
  builder.add({"key" + text, "data", 1'000, headers});
  DeadLetter letter;
  letter.partition = PartitionId(3);
  letter.offset = Offset(42);
  if (with_event) letter.event = builder.finish();
  letter.reason = reason;
  letter.error = "it did not work";
  letter.dead_us = 1'793'318'400'000'001;
  return letter;
}

TEST(LetterRow, ASelectionSeesInARowWhatIsInTheLetter) {
  const std::vector<std::vector<std::string>> selections = {
      {"reason == nack"},
      {"grade >= 50"},
      {"grade >= 50", "reason == timeout"},
      {"type == course.graduated", "key == key7"},
      {"other exists"},
      {}};
  size_t matched = 0;
  for (const auto& conditions : selections) {
    LetterFilter filter;
    ASSERT_FALSE(LetterFilter::compile(conditions, &filter));
    for (int grade = 0; grade < 100; ++grade) {
      const auto reason = grade % 2 == 0 ? FailureReason::nack : FailureReason::timeout;
      const DeadLetter letter = letter_of(grade, reason, grade % 5 != 0);
      const std::string row = encode_letter(letter);
      EXPECT_EQ(filter.matches_row(row), filter.matches(letter)) << grade;
      matched += filter.matches(letter) ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 100u);
  EXPECT_LT(matched, 400u);
}

// Whoever decodes it says so then.
TEST(LetterRow, WhatDoesNotParseIsNotPassedOver) {
  LetterFilter filter;
  ASSERT_FALSE(LetterFilter::compile({"grade >= 1000"}, &filter));
  const std::string row = encode_letter(letter_of(7, FailureReason::nack, true));
  EXPECT_FALSE(filter.matches_row(row));
  const auto key = storage::dlq_letter_key(TenantId(1), TopicId(1), SliceId(0), GroupId(1), 1);
  for (size_t cut = 0; cut < row.size(); ++cut) {
    DeadLetter letter;
    if (decode_letter(key.view(), SharedBytes::copy_of(row.substr(0, cut)), &letter)) continue;
    EXPECT_TRUE(filter.matches_row(row.substr(0, cut))) << cut;
  }
}

}  // namespace
}  // namespace headrace::core

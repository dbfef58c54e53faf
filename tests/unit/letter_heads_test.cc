// What is known of the first letters of a kind, while letters come, go and change.
#include "broker/core/letter_heads.h"

#include <gtest/gtest.h>

namespace headrace::core {
namespace {

LetterRef letter(uint64_t sequence) {
  LetterRef ref;
  ref.sequence = sequence;
  return ref;
}

std::vector<uint64_t> known(const LetterHeads& heads) {
  std::vector<uint64_t> sequences;
  for (const auto& ref : heads.refs()) sequences.push_back(ref.sequence);
  return sequences;
}

TEST(LetterHeads, KeepsTheOrderOfWhatIsAddedBelowWhereItHasRead) {
  LetterHeads heads;
  heads.begin_read(1);
  heads.read(letter(2));
  heads.read(letter(6));
  heads.end_read(7);
  heads.add(letter(4));
  heads.add(letter(9));  // the next read meets it
  EXPECT_EQ(known(heads), (std::vector<uint64_t>{2, 4, 6}));
  heads.forget(2);
  heads.forget(9);
  EXPECT_EQ(known(heads), (std::vector<uint64_t>{4, 6}));
  EXPECT_EQ(heads.from(), 7u);
}

TEST(LetterHeads, ForgetsTheLastOnesWhenThereAreTooMany) {
  LetterHeads heads;
  heads.begin_read(1);
  heads.end_read(10'000);
  const uint64_t most = 2 * limits::kLettersPerPage;
  for (uint64_t i = 1; i <= most; ++i) heads.add(letter(i));
  EXPECT_EQ(heads.from(), 10'000u);
  heads.add(letter(5'000));
  EXPECT_EQ(heads.from(), 5'000u);
  EXPECT_EQ(heads.refs().size(), most);
  heads.add(letter(most + 1));
  EXPECT_EQ(heads.from(), most + 1);
}

TEST(LetterHeads, ForgetsNothingWhileItReads) {
  LetterHeads heads;
  heads.begin_read(1);
  heads.end_read(10'000);
  heads.begin_read(1);
  const uint64_t most = 2 * limits::kLettersPerPage;
  for (uint64_t i = 1; i <= most + 1; ++i) heads.add(letter(i));
  EXPECT_EQ(heads.refs().size(), most + 1);
  heads.read(letter(10'000));
  heads.end_read(10'001);
  EXPECT_EQ(heads.refs().size(), most);
  EXPECT_EQ(heads.from(), most + 1);
}

}  // namespace
}  // namespace headrace::core

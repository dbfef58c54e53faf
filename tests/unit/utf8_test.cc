#include "metrics/utf8.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Utf8, IsToldFromOtherBytes) {
  for (const char* good : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xef\xbf\xbd",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  // Stray continuation, overlong, surrogate, above U+10FFFF, cut off.
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, CleaningKeepsCharactersWholeAndReplacesDamage) {
  EXPECT_EQ(clean_utf8("plain", 100), "plain");
  EXPECT_EQ(clean_utf8("a\xff"
                       "b",
                       100),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(clean_utf8("\xe2\x82", 100), "\xef\xbf\xbd\xef\xbf\xbd");
  // What does not fit any more goes as a whole character.
  EXPECT_EQ(clean_utf8("ab\xc3\xa9", 3), "ab");
  EXPECT_EQ(clean_utf8("ab\xc3\xa9", 4), "ab\xc3\xa9");
  EXPECT_EQ(clean_utf8("\xff", 2), "");
}

}  // namespace
}  // namespace headrace

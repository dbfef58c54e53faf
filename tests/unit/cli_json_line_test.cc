#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "client/cli/json_line.h"

namespace headrace::cli {
namespace {

TEST(JsonLine, WritesOneObjectALine) {
  std::string out;
  JsonLine(&out)
      .text("a", "x\"\n\xc3\xa9")
      .number("b", INT64_MIN)
      .real("c", 1.5, 3)
      .real("d", std::nan(""), 3)
      .boolean("e", true)
      .null("f")
      .text_or_null("g", std::nullopt)
      .raw("h", "[1]")
      .end();
  ASSERT_EQ(out.back(), '\n');
  EXPECT_EQ(out.find('\n'), out.size() - 1);
  const auto json = nlohmann::json::parse(out);
  EXPECT_EQ(json["a"], "x\"\n\xc3\xa9");
  EXPECT_EQ(json["b"], INT64_MIN);
  EXPECT_EQ(json["c"], 1.5);
  EXPECT_TRUE(json["d"].is_null());
  EXPECT_EQ(json["e"], true);
  EXPECT_TRUE(json["f"].is_null());
  EXPECT_TRUE(json["g"].is_null());
  EXPECT_EQ(json["h"][0], 1);
}

TEST(JsonLine, Utf8IsToldFromOtherBytes) {
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

TEST(JsonLine, DamagedTextStillGivesValidJson) {
  std::string out;
  append_json_string(&out, "a\xff");
  EXPECT_EQ(nlohmann::json::parse(out), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace headrace::cli

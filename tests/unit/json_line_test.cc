#include "json/json_line.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace headrace {
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

TEST(JsonLine, DamagedTextStillGivesValidJson) {
  std::string out;
  append_json_string(&out, "a\xff");
  EXPECT_EQ(nlohmann::json::parse(out), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace headrace

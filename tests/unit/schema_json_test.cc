// JSON Schemas as strangers write them: what is taken, what is refused and why, and that nothing
// costs more than its bound.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "broker/limits.h"
#include "broker/schema/schema.h"

namespace headrace::schema {
namespace {

constexpr int64_t kPlenty = limits::kValidationStepsPerJob;

CompiledPtr compiled_json(const std::string& text) {
  std::string why;
  auto made = compile({Format::json, text, ""}, &why);
  EXPECT_NE(made, nullptr) << text.substr(0, 200) << ": " << why;
  return made;
}

std::string why_not(const std::string& text) {
  std::string why;
  const auto made = compile({Format::json, text, ""}, &why);
  EXPECT_EQ(made, nullptr) << text.substr(0, 200);
  return why;
}

// "path: message" of each issue.
std::vector<std::string> issues_in(const std::string& schema, const std::string& value) {
  const auto made = compiled_json(schema);
  std::vector<std::string> told;
  if (made == nullptr) return told;
  int64_t steps = kPlenty;
  for (const Issue& issue : made->check(value, &steps)) {
    told.push_back(issue.path + ": " + issue.message);
  }
  return told;
}

bool matches(const std::string& schema, const std::string& value) {
  return issues_in(schema, value).empty();
}

TEST(JsonSchema, ValidatesAndSaysWhere) {
  const std::string user = R"({"$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object", "required": ["email"], "additionalProperties": false,
      "properties": {"email": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"},
                     "tags": {"type": "array", "items": {"type": "string"}}}})";
  EXPECT_TRUE(matches(user, R"({"email": "a@b", "tags": ["x"]})"));
  EXPECT_EQ(issues_in(user, R"({})"),
            (std::vector<std::string>{": Missing required property 'email'."}));
  const auto wrong = issues_in(user, R"({"email": "a@b", "tags": ["x", 7]})");
  ASSERT_FALSE(wrong.empty());
  EXPECT_EQ(wrong[0], "/tags/1: Value type not permitted by 'type' constraint.");
  const auto pattern = issues_in(user, R"({"email": "secret value"})");
  ASSERT_FALSE(pattern.empty());
  EXPECT_EQ(pattern[0], "/email: Failed to match regex specified by 'pattern' constraint.");
  for (const std::string& issue : pattern) EXPECT_EQ(issue.find("secret"), std::string::npos);
}

TEST(JsonSchema, KnowsTheKeywordsOfDraft7) {
  EXPECT_TRUE(matches(R"({"const": 1})", "1"));
  EXPECT_FALSE(matches(R"({"const": 1})", "2"));
  EXPECT_FALSE(matches(R"({"exclusiveMinimum": 1})", "1"));
  EXPECT_TRUE(matches(R"({"if": {"minimum": 5}, "then": {"multipleOf": 5}})", "10"));
  EXPECT_FALSE(matches(R"({"if": {"minimum": 5}, "then": {"multipleOf": 5}})", "11"));
  EXPECT_FALSE(matches(R"({"propertyNames": {"maxLength": 2}})", R"({"long": 1})"));
  EXPECT_FALSE(matches(R"({"contains": {"const": 3}})", "[1, 2]"));
  EXPECT_FALSE(matches("false", "1"));
  EXPECT_TRUE(matches("true", "1"));
  EXPECT_FALSE(matches(R"({"uniqueItems": true})", "[1, 2, 1]"));
  EXPECT_FALSE(matches(R"({"patternProperties": {"^n": {"type": "number"}}})", R"({"n1": "x"})"));
  EXPECT_FALSE(matches(R"({"oneOf": [{"minimum": 1}, {"minimum": 2}]})", "3"));
}

TEST(JsonSchema, ChecksDatesAndTimesOfTextsOnly) {
  const std::string when = R"({"format": "date-time"})";
  EXPECT_TRUE(matches(when, R"("2026-02-28T23:59:60Z")"));
  EXPECT_TRUE(matches(when, R"("2024-02-29t01:02:03.456+02:00")"));
  EXPECT_TRUE(matches(when, "7"));
  for (const char* wrong :
       {"\"2026-02-29T00:00:00Z\"", "\"2026-13-01T00:00:00Z\"", "\"2026-01-01T24:00:00Z\"",
        "\"2026-01-01 00:00:00Z\"", "\"2026-01-01T00:00:00\"", "\"\"", "\"T\""}) {
    EXPECT_FALSE(matches(when, wrong)) << wrong;
  }
  EXPECT_TRUE(matches(R"({"format": "date"})", R"("2026-04-30")"));
  EXPECT_FALSE(matches(R"({"format": "date"})", R"("2026-04-31")"));
  EXPECT_FALSE(matches(R"({"format": "time"})", R"("1:00:00Z")"));
  EXPECT_TRUE(matches(R"({"format": "no-such-format"})", R"("x")"));
  EXPECT_FALSE(matches(when, '"' + std::string(900'000, '7') + '"')) << "and quickly";
}

TEST(JsonSchema, RefusesWhatItCannotHoldTo) {
  EXPECT_NE(
      why_not(R"({"$schema": "https://json-schema.org/draft/2020-12/schema"})").find("$schema"),
      std::string::npos);
  EXPECT_NE(why_not(R"({"$ref": "http://example.org/a.json"})").find("$ref"), std::string::npos);
  EXPECT_NE(why_not(R"({"properties": {"a": {"$ref": "other.json#/b"}}})").find("/properties/a"),
            std::string::npos);
  EXPECT_NE(why_not(R"({"pattern": "(?=a)b"})").find("pattern"), std::string::npos);
  EXPECT_NE(why_not(R"({"pattern": "(a)\\1"})").find("pattern"), std::string::npos);
  EXPECT_NE(why_not(R"({"multipleOf": 0})").find("multipleOf"), std::string::npos);
  EXPECT_NE(why_not(R"({"multipleOf": 0.0})").find("multipleOf"), std::string::npos);
  EXPECT_NE(why_not("{").find("not JSON"), std::string::npos);
  EXPECT_NE(why_not("").find("not JSON"), std::string::npos);
  EXPECT_NE(why_not("[]").find("a schema is"), std::string::npos);
  why_not(R"({"type": "no-such-type"})");
  why_not(R"({"$ref": "#/definitions/missing"})");
  why_not(R"({"properties": []})");
  why_not(R"({"items": 7})");
  why_not(R"({"minLength": -1})");
}

TEST(JsonSchema, EvaluatesPatternsInLinearTime) {
  const std::string text(100'000, 'a');
  EXPECT_FALSE(matches(R"({"pattern": "^(a+)+$"})", '"' + text + "b\""));
  EXPECT_TRUE(matches(R"({"pattern": "^(a+)+$"})", '"' + text + '"'));
  EXPECT_FALSE(
      matches(R"({"patternProperties": {"^(a|a)*$": false}})", R"({")" + text + R"(":1})"));
}

TEST(JsonSchema, RefusesHugePatterns) {
  EXPECT_NE(why_not(R"({"pattern": "((a{100}){100}){100}"})").find("pattern"), std::string::npos);
  EXPECT_NE(why_not(R"({"pattern": ")" + std::string(200'000, '(') + R"("})").find("pattern"),
            std::string::npos);
  std::string many = R"({"patternProperties": {)";
  for (size_t i = 0; i <= limits::kSchemaPatterns; ++i) {
    many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(": true)";
  }
  EXPECT_NE(why_not(many + "}}").find("patterns"), std::string::npos);
}

TEST(JsonSchema, FollowsReferencesButNotForEver) {
  const std::string tree = R"({"type": "object", "properties": {"value": {"type": "integer"},
      "children": {"type": "array", "items": {"$ref": "#"}}}})";
  EXPECT_TRUE(matches(tree, R"({"value": 1, "children": [{"value": 2, "children": []}]})"));
  const auto deep = issues_in(tree, R"({"children": [{"children": [{"value": "x"}]}]})");
  ASSERT_FALSE(deep.empty());
  EXPECT_EQ(deep[0].substr(0, deep[0].find(':')), "/children/0/children/0/value");
  EXPECT_TRUE(
      matches(R"({"$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}})", "null"));

  why_not(R"({"$ref": "#"})");
  why_not(R"({"allOf": [{"$ref": "#"}]})");
  why_not(R"({"anyOf": [{"$ref": "#/definitions/a"}],
              "definitions": {"a": {"$ref": "#/definitions/b"},
                              "b": {"$ref": "#/definitions/a"}}})");
  why_not(R"({"not": {"$ref": "#"}})");
  // Every level refers twice to the next: 2^40 evaluations if nobody counts.
  std::string bomb = R"({"allOf": [{"$ref": "#/definitions/d0"}], "definitions": {)";
  for (int i = 0; i < 40; ++i) {
    const std::string next = R"({"$ref": "#/definitions/d)" + std::to_string(i + 1) + R"("})";
    bomb += "\"d" + std::to_string(i) + R"(": {"allOf": [)" + next + "," + next + "]},";
  }
  EXPECT_NE(why_not(bomb + R"("d40": {"type": "object"}}})").find("too long"), std::string::npos);
}

TEST(JsonSchema, BoundsWhatOneEventCosts) {
  const std::string open = R"({"type": "array", "uniqueItems": true})";
  std::string many = "[0";
  for (int i = 1; i < 50'000; ++i) many += "," + std::to_string(i);
  const auto told = issues_in(open, many + "]");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0], ": takes too long to validate");

  int64_t steps = 10;
  const auto few = compiled_json(open)->check("[1,2,3,4,5,6,7,8,9]", &steps);
  ASSERT_EQ(few.size(), 1u);
  EXPECT_EQ(few[0].message, "takes too long to validate");
  EXPECT_LT(steps, 0);
}

TEST(JsonSchema, BoundsWhatOneEventIs) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(issues_in("true", deep), (std::vector<std::string>{": nested deeper than 64"}));
  std::string wide = "[";
  for (size_t i = 0; i <= limits::kValidatedNodes; ++i) wide += "1,";
  EXPECT_EQ(issues_in("true", wide + "1]"), (std::vector<std::string>{": too many values"}));
  EXPECT_EQ(issues_in("true", '"' + std::string(limits::kValidatedBytes, 'x') + '"').size(), 1u);
  EXPECT_EQ(issues_in("true", "secret").at(0).find("secret"), std::string::npos);
  EXPECT_EQ(issues_in("true", "\"\xff\"").size(), 1u) << "not UTF-8";
  std::string schema = "true";
  for (size_t i = 0; i <= limits::kSchemaDepth; ++i) schema = R"({"not": )" + schema + "}";
  EXPECT_NE(why_not(schema).find("nested"), std::string::npos);
  std::string huge = R"({"enum": [0)";
  for (size_t i = 0; i < limits::kSchemaNodes; ++i) huge += ",1";
  EXPECT_NE(why_not(huge + "]}").find("too many"), std::string::npos);
  EXPECT_NE(why_not("\"" + std::string(limits::kSchemaBytes, 'x') + "\"").find("larger"),
            std::string::npos);
}

TEST(JsonSchema, TellsAFewIssuesOnly) {
  std::string list = "[";
  for (int i = 0; i < 1'000; ++i) list += "\"x\",";
  EXPECT_EQ(issues_in(R"({"items": {"type": "number"}})", list + "1]").size(),
            limits::kIssuesPerEvent);
}

TEST(JsonSchema, IdOfDraft4IsNoKeyword) {
  EXPECT_TRUE(matches(R"({"id": "http://x/", "properties": {"id": {"$ref": "#/definitions/n"}},
                          "definitions": {"n": {"type": "integer"}}})",
                      R"({"id": 7})"));
}

TEST(JsonSchema, ExamplesCompile) {
  for (const char* name :
       {"AgentConfirmation", "AgentRunCompleted", "AgentRunFailed", "AgentRunStarted",
        "ApprovalDecision", "ApprovalEscalated", "ApprovalExpired", "ApprovalRequested",
        "Candidate", "Course", "Job", "User"}) {
    std::ifstream file(HEADRACE_SOURCE_DIR "/docs/examples/schemas/" + std::string(name) +
                       ".schema.json");
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(matches(text.str(), "{}")) << name;
  }
}

TEST(Compiled, IsRememberedByItsSource) {
  const auto source = std::make_shared<const Source>(Source{Format::json, "true", ""});
  EXPECT_EQ(compiled(source), compiled(source));
  const auto other = std::make_shared<const Source>(Source{Format::json, "{", ""});
  EXPECT_EQ(compiled(other), nullptr);
}

}  // namespace
}  // namespace headrace::schema

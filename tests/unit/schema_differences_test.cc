// What a change of a JSON Schema does to readers and writers: the rules of docs/schemas.md.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/schema/schema.h"

namespace headrace::schema {
namespace {

// "path text (effect)" of each difference.
std::vector<std::string> told(const std::string& older, const std::string& newer) {
  std::vector<std::string> rows;
  for (const auto& one : differences({Format::json, older, ""}, {Format::json, newer, ""})) {
    rows.push_back(one.path + " " + one.text + " (" + std::string(to_string(one.effect)) + ")");
  }
  return rows;
}

// The sum of all effects.
Effect effect(const std::string& older, const std::string& newer) {
  bool wider = false;
  bool narrower = false;
  for (const auto& one : differences({Format::json, older, ""}, {Format::json, newer, ""})) {
    wider = wider || one.effect == Effect::wider || one.effect == Effect::both;
    narrower = narrower || one.effect == Effect::narrower || one.effect == Effect::both;
  }
  if (wider && narrower) return Effect::both;
  return wider ? Effect::wider : narrower ? Effect::narrower : Effect::none;
}

struct Rule {
  const char* what;
  const char* older;
  const char* newer;
  Effect effect;
};

constexpr Rule kRules[] = {
    {"equal", R"({"type": "object"})", R"({"type": "object"})", Effect::none},
    {"words for people", R"({"title": "a"})", R"({"title": "b", "description": "c"})",
     Effect::none},
    {"type gained", R"({"type": "string"})", R"({"type": ["string", "null"]})", Effect::wider},
    {"integer to number", R"({"type": "integer"})", R"({"type": "number"})", Effect::wider},
    {"type changed", R"({"type": "string"})", R"({"type": "number"})", Effect::both},
    {"type is new", R"({"minimum": 1})", R"({"minimum": 1, "type": "number"})", Effect::narrower},
    {"required is new", R"({"required": ["a"]})", R"({"required": ["a", "b"]})", Effect::narrower},
    {"format is gone", R"({"format": "date", "type": "string"})", R"({"type": "string"})",
     Effect::wider},
    {"uniqueItems", R"({"minItems": 1})", R"({"minItems": 1, "uniqueItems": true})",
     Effect::narrower},
    {"items", R"({"items": {"type": "integer"}})", R"({"items": {"type": "number"}})",
     Effect::wider},
    {"tuple", R"({"items": [{"type": "integer"}]})", R"({"items": [{}, {}]})", Effect::both},
    {"anyOf gained", R"({"anyOf": [{"minimum": 1}]})",
     R"({"anyOf": [{"minimum": 1}, {"maximum": 0}]})", Effect::wider},
    {"allOf gained", R"({"allOf": [{"minimum": 1}]})",
     R"({"allOf": [{"minimum": 1}, {"maximum": 9}]})", Effect::narrower},
    {"oneOf gained", R"({"oneOf": [{"minimum": 1}]})",
     R"({"oneOf": [{"minimum": 1}, {"maximum": 0}]})", Effect::both},
    {"not turns it round", R"({"not": {"minimum": 5}})", R"({"not": {"minimum": 6}})",
     Effect::wider},
    {"condition changed", R"({"if": {"minimum": 5}, "then": false})",
     R"({"if": {"minimum": 6}, "then": false})", Effect::both},
    {"dependencies", R"({"minProperties": 0})",
     R"({"minProperties": 0, "dependencies": {"a": ["b"]}})", Effect::both},
    {"nothing at all", R"({"type": "string"})", "false", Effect::narrower},
    {"through a reference", R"({"$ref": "#/definitions/a", "definitions": {"a": {"minimum": 1}}})",
     R"({"$ref": "#/definitions/b", "definitions": {"b": {"minimum": 2}}})", Effect::narrower},
};

TEST(JsonDifferences, FollowTheRules) {
  for (const Rule& rule : kRules) {
    EXPECT_EQ(to_string(effect(rule.older, rule.newer)), to_string(rule.effect)) << rule.what;
  }
}

TEST(JsonDifferences, TurnRoundWithTheVersions) {
  for (const Rule& rule : kRules) {
    const Effect there = effect(rule.older, rule.newer);
    const Effect back = effect(rule.newer, rule.older);
    const Effect expected = there == Effect::wider      ? Effect::narrower
                            : there == Effect::narrower ? Effect::wider
                                                        : there;
    EXPECT_EQ(to_string(back), to_string(expected)) << rule.what;
  }
}

TEST(JsonDifferences, NameTheirPlace) {
  EXPECT_EQ(told(R"({"properties": {"a/b": {"type": "string"}, "c": {"items": {"minimum": 1}}}})",
                 R"({"properties": {"a/b": {"type": "number"}, "c": {"items": {"minimum": 2}}},
               "required": ["c"]})"),
            (std::vector<std::string>{"/properties/c is required now (narrower)",
                                      "/properties/a~1b type was \"string\", is \"number\" (both)",
                                      "/properties/c/items minimum was 1, is 2 (narrower)"}));
}

TEST(JsonDifferences, OfSchemasThatReferToThemselvesEnd) {
  const std::string list = R"({"properties": {"next": {"$ref": "#"}, "value": {"minimum": 1}}})";
  const std::string other = R"({"properties": {"next": {"$ref": "#"}, "value": {"minimum": 2}}})";
  EXPECT_TRUE(told(list, list).empty());
  EXPECT_EQ(told(list, other),
            (std::vector<std::string>{"/properties/value minimum was 1, is 2 (narrower)"}));
}

TEST(Compatibility, BreaksByLevel) {
  using enum Compatibility;
  const auto broken = [](Compatibility level) {
    std::string effects;
    for (const Effect one : {Effect::none, Effect::wider, Effect::narrower, Effect::both}) {
      if (breaks(level, one)) effects += std::string(to_string(one)) + " ";
    }
    return effects;
  };
  EXPECT_EQ(broken(none), "");
  EXPECT_EQ(broken(backward), "narrower both ");
  EXPECT_EQ(broken(forward), "wider both ");
  EXPECT_EQ(broken(full), "wider narrower both ");
  EXPECT_EQ(broken(backward_transitive), broken(backward));
  EXPECT_EQ(broken(forward_transitive), broken(forward));
  EXPECT_EQ(broken(full_transitive), broken(full));
  for (const Compatibility level : {none, backward, forward, full})
    EXPECT_FALSE(is_transitive(level));
  for (const Compatibility level : {backward_transitive, forward_transitive, full_transitive}) {
    EXPECT_TRUE(is_transitive(level));
    EXPECT_EQ(parse_compatibility(to_string(level)), level);
  }
  EXPECT_EQ(parse_compatibility("sideways"), std::nullopt);
}

}  // namespace
}  // namespace headrace::schema

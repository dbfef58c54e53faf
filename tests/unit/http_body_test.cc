#include <gtest/gtest.h>

#include "broker/admin/body.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

http::Request with_body(std::string text) {
  http::Request request;
  request.body = std::move(text);
  return request;
}

TEST(Body, IsTakenFieldByField) {
  Body body(with_body(R"({"a":"x","b":["y","z"],"c":-3,"d":1.5,"e":true,"f":"2m","g":{"h":7}})"));
  EXPECT_EQ(body.text("a"), "x");
  EXPECT_EQ(body.texts("b"), (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(body.integer("c", -5, 5), -3);
  EXPECT_EQ(body.real("d"), 1.5);
  EXPECT_TRUE(body.boolean("e"));
  EXPECT_EQ(body.form("f", kDurationExample, parse_duration_us), 120'000'000);
  EXPECT_EQ(body.object("g").number("h"), 7u);
  EXPECT_EQ(body.text("absent"), std::nullopt);
  EXPECT_FALSE(body.object("nothing").text("a"));
  EXPECT_FALSE(body.finish()) << body.finish().message();
}

TEST(Body, NothingIsAnEmptyObject) {
  Body body(with_body(""));
  EXPECT_EQ(body.text("a"), std::nullopt);
  EXPECT_FALSE(body.finish());
}

TEST(Body, ObjectsOfAnArrayAreTakenOneByOne) {
  const auto said = [](const char* text) {
    Body body(with_body(text));
    for (Body& one : body.objects("list", 2)) one.text("name");
    return body.finish().detail;
  };
  EXPECT_EQ(said(R"({"list":[{"name":"x"},{}]})"), "");
  EXPECT_EQ(said("{}"), "");
  EXPECT_EQ(said(R"({"list":[{"name":"x"},{"name":7}]})"), "list[1].name: must be a string");
  EXPECT_EQ(said(R"({"list":[{"more":1}]})"), "list[0].more: no such field here");
  EXPECT_EQ(said(R"({"list":[{},7]})"), "list[1]: must be an object");
  EXPECT_EQ(said(R"({"list":{}})"), "list: must be an array of at most 2 objects");
  EXPECT_EQ(said(R"({"list":[{},{},{}]})"), "list: must be an array of at most 2 objects");
}

// Takes `a` (a whole number, 0 to 9), `b` (texts) and `o.d` (a duration); what is said.
std::string said_to(const std::string& text) {
  Body body(with_body(text));
  body.integer("a", 0, 9);
  body.texts("b");
  Body inner = body.object("o");
  inner.form("d", "a duration", parse_duration_us);
  const core::Error error = body.finish();
  return std::string(core::info(error.code).name) + " " + error.detail;
}

TEST(Body, WhatIsWrongIsNamedByItsPath) {
  EXPECT_EQ(said_to(R"({"a":10})"), "invalid_request a: must be a whole number, 0 to 9");
  EXPECT_EQ(said_to(R"({"a":18446744073709551615})"),
            "invalid_request a: must be a whole number, 0 to 9");
  EXPECT_EQ(said_to(R"({"a":null})"), "invalid_request a: must be a whole number, 0 to 9");
  EXPECT_EQ(said_to(R"({"b":["x",1]})"), "invalid_request b[1]: must be a string");
  EXPECT_EQ(said_to(R"({"o":{"d":"soon"}})"), "invalid_request o.d: is not a duration");
  EXPECT_EQ(said_to(R"({"o":{"e":1}})"), "invalid_request o.e: no such field here");
  EXPECT_EQ(said_to(R"({"o":[]})"), "invalid_request o: must be an object");
  EXPECT_EQ(said_to(R"({"z":1})"), "invalid_request z: no such field here");
  EXPECT_EQ(said_to(R"({"a":1,"a":2})"), "invalid_request a: is given more than once");
  EXPECT_EQ(said_to("[1]"), "invalid_request the body must be a JSON object");
  EXPECT_EQ(said_to("{"), "malformed_message the body is not JSON, from byte 2");
  EXPECT_EQ(said_to("{\"b\":[\"\xff\"]}"), "malformed_message the body is not JSON, from byte 8");
  EXPECT_EQ(said_to(R"({"b":)" + std::string(500'000, '[')),
            "malformed_message the body is not JSON, from byte 500006");
  EXPECT_EQ(said_to(R"({"b":)" + std::string(500, '[') + std::string(500, ']') + "}"),
            "invalid_request the body is nested too deeply");
}

}  // namespace
}  // namespace headrace::admin

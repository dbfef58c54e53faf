#include "json/redactor.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

std::shared_ptr<const Redactor> make(std::vector<std::string> keys,
                                     std::vector<std::string> pointers = {}) {
  std::string error;
  auto redactor = Redactor::make(keys, pointers, &error);
  EXPECT_NE(redactor, nullptr) << error;
  return redactor;
}

std::string shown(const Redactor& redactor, std::string_view payload) {
  std::string shown = "as it is";
  redactor.payload(payload, &shown);
  return shown;
}

TEST(Redactor, NamesHoweverTheyAreWritten) {
  const auto redactor = make({"password", "api_key"});
  for (const char* name :
       {"password", "Password", "user_password", "apiKey", "API-KEY", "x-api-key"}) {
    EXPECT_TRUE(redactor->hides(name)) << name;
  }
  for (const char* name : {"pass", "passwords", "key", "", "password_hint"}) {
    EXPECT_FALSE(redactor->hides(name)) << name;
  }
}

TEST(Redactor, ValuesOfJsonWhereverTheyAre) {
  const auto redactor = make({"password", "token"});
  EXPECT_EQ(shown(*redactor, R"({"b":1,"user":{"password":"x","a":[{"token":7},{"n":1.50}]}})"),
            R"({"b":1,"user":{"password":"[redacted]","a":[{"token":"[redacted]"},{"n":1.5}]}})");
  EXPECT_EQ(shown(*redactor, R"({"token":{"deep":"er"},"password":[1,2]})"),
            R"({"token":"[redacted]","password":"[redacted]"})");
  EXPECT_EQ(shown(*redactor, R"({"token":null,"n":1.50})"), "as it is");
}

TEST(Redactor, PointersAndWhatTheyMiss) {
  const auto redactor = make({}, {"/user/email", "/list/1", "/a~1b/~0", "/none/0/x"});
  EXPECT_EQ(shown(*redactor, R"({"user":{"email":"a@b","id":1},"list":[1,2,3]})"),
            R"({"user":{"email":"[redacted]","id":1},"list":[1,"[redacted]",3]})");
  EXPECT_EQ(shown(*redactor, R"({"a/b":{"~":5}})"), R"({"a/b":{"~":"[redacted]"}})");
  for (const char* payload :
       {R"({"user":"email"})", R"({"list":[1]})", R"([])", R"({"none":[]})"}) {
    EXPECT_EQ(shown(*redactor, payload), "as it is") << payload;
  }
}

TEST(Redactor, TextThatLooksLikeACredential) {
  const auto redactor = make({"password", "token", "secret"});
  const std::pair<const char*, const char*> kCases[] = {
      {"login failed: password=hunter2, user=bob", "login failed: password=[redacted], user=bob"},
      {"db_password: 'a b' rest", "db_password: [redacted] rest"},
      {R"(got {"token": "a\"b", "n": 1})", R"(got {"token": [redacted], "n": 1})"},
      {"client-secret = x;next", "client-secret = [redacted];next"},
      {"401 with Authorization: Bearer abcdef.ghijkl-123",
       "401 with Authorization: Bearer "
       "[redacted]"},
      {"key hr_0123456789ab_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG is over",
       "key [redacted] is over"},
      {"postgres://bob:hunter2@db/x refused", "postgres://[redacted]@db/x refused"},
      {"no token was given, so nothing is hidden", "no token was given, so nothing is hidden"},
      {"http://host:80/path", "http://host:80/path"},
  };
  for (const auto& [text, clean] : kCases) EXPECT_EQ(redactor->text(text), clean) << text;
}

TEST(Redactor, WhatIsNotJson) {
  const auto redactor = make({"password"});
  EXPECT_EQ(shown(*redactor, "password=1"), "password=[redacted]");
  EXPECT_EQ(shown(*redactor, R"({"password": "x")"), R"({"password": [redacted])");
  EXPECT_EQ(shown(*redactor, ""), "as it is");
  EXPECT_EQ(shown(*redactor, " "), "as it is");
  EXPECT_EQ(shown(*redactor, "\xff\xfe password=1"), "as it is");
}

// Deep nesting costs no stack, and hides all of it rather than nothing.
TEST(Redactor, DeepAndLargePayloads) {
  const auto redactor = make({"password"});
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_EQ(shown(*redactor, deep), "[redacted]: nested too deep");
  EXPECT_EQ(shown(*redactor, R"(["]]]]]]{{{{[[[["])"), "as it is");
  const std::string hostile(200'000, '"');
  EXPECT_EQ(redactor->text(hostile), hostile);
  std::string assignments;
  for (int i = 0; i < 20'000; ++i) assignments += "password";
  EXPECT_EQ(redactor->text(assignments), assignments);
}

TEST(Redactor, WrongRulesAreNamed) {
  std::string error;
  EXPECT_EQ(Redactor::make({"-_"}, {}, &error), nullptr);
  EXPECT_EQ(error, "'-_' is no name of a key");
  for (const char* pointer : {"user", "/a~2", "/a~"}) {
    EXPECT_EQ(Redactor::make({}, {pointer}, &error), nullptr) << pointer;
    EXPECT_NE(error.find("is no JSON pointer"), std::string::npos);
  }
}

}  // namespace
}  // namespace headrace

// CloudEvents on their way in: JSON, attributes of HTTP headers, and the modes of a request's body.
#include "json/cloud_event.h"

#include <gtest/gtest.h>

#include "broker/admin/event_body.h"

namespace headrace {
namespace {

TEST(DecodeAttribute, PercentAndQuotes) {
  const std::pair<const char*, const char*> good[] = {
      {"", ""},
      {"plain", "plain"},
      {"a%20b", "a b"},
      {"%e2%82%AC", "€"},
      {R"("a \"b\"")", "a \"b\""},
      {R"("%41")", "A"},
      {"a+b", "a+b"},
      {"%2541", "%41"},  // decoded once
  };
  for (const auto& [sent, meant] : good) EXPECT_EQ(decode_attribute(sent), meant) << sent;
  for (const char* bad :
       {"%", "%4", "%zz", "a%", "%ff", "%c3%28", "\"", "\"open", R"("a"b")", R"("end\")"}) {
    EXPECT_EQ(decode_attribute(bad), std::nullopt) << bad;
  }
}

TEST(CloudEventJson, WhatIsWrongBeginsWithTheAttribute) {
  const auto wrong = [](const std::string& members) {
    CloudEvent event;
    return parse_cloud_event(
        R"({"specversion":"1.0","id":"1","type":"t","source":"s")" + members + "}", &event);
  };
  EXPECT_EQ(wrong(R"(,"n":7,"b":false,"nothing":null)"), "");
  EXPECT_EQ(wrong(R"(,"Upper":"x")"), "Upper: names are of a-z and 0-9");
  EXPECT_EQ(wrong(R"(,"hr_x":"x")"), "hr_x: names are of a-z and 0-9");
  EXPECT_EQ(wrong(R"(,"a":1.5)"), "a: is not a string, a whole number or a boolean");
  EXPECT_EQ(wrong(R"(,"a":"x\ny")"), "a: holds a control character");
  EXPECT_EQ(wrong(R"(,"id":"2")"), "id: is given more than once");
  EXPECT_EQ(wrong(R"(,"data":{"x":1,"x":2})"), "x: is given more than once");
  EXPECT_EQ(wrong(",\"data\":" + std::string(90, '[') + std::string(90, ']')), "");
  EXPECT_EQ(wrong(",\"data\":" + std::string(200, '[') + std::string(200, ']')),
            "data: is nested too deeply");
}

TEST(CloudEventJson, ABatchSaysWhichAreWrong) {
  std::vector<BatchedEvent> events;
  const std::string good = R"({"specversion":"1.0","id":"1","type":"t","source":"s"})";
  EXPECT_EQ(parse_cloud_events("[" + good + ",{}, 7," + good + "]", 4, &events), "");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].wrong + events[3].wrong, "");
  EXPECT_EQ(events[1].wrong, "specversion: a CloudEvent needs it, as a string");
  EXPECT_EQ(events[2].wrong, "the event is not a JSON object");
  EXPECT_NE(parse_cloud_events("[1,2,3,4,5]", 4, &events), "");
  EXPECT_NE(parse_cloud_events("{}", 4, &events), "");
  EXPECT_NE(parse_cloud_events("[1", 4, &events), "");
}

http::Request request_of(http::Headers headers, std::string body) {
  http::Request request;
  request.headers = std::move(headers);
  request.body = std::move(body);
  return request;
}

TEST(EventBody, TheModeIsInTheHeaders) {
  using Mode = admin::EventBody::Mode;
  const std::string event = R"({"specversion":"1.0","id":"1","type":"t","source":"s"})";
  const auto mode_of = [](http::Headers headers, const std::string& body) {
    admin::EventBody read;
    const core::Error error = admin::read_events(request_of(std::move(headers), body), &read);
    EXPECT_FALSE(error) << error.message();
    return read.mode;
  };
  EXPECT_EQ(mode_of({{"Content-Type", "application/json"}}, "7"), Mode::plain);
  EXPECT_EQ(mode_of({{"content-type", "Application/CloudEvents+JSON; charset=UTF-8"}}, event),
            Mode::structured);
  EXPECT_EQ(mode_of({{"Content-Type", "application/cloudevents-batch+json"}}, "[]"), Mode::batch);
  // The content type decides, whatever headers come with it.
  EXPECT_EQ(mode_of({{"Content-Type", "application/cloudevents+json"}, {"ce-id", "2"}}, event),
            Mode::structured);
  const http::Headers binary = {
      {"CE-SpecVersion", "1.0"}, {"ce-id", "1"}, {"ce-type", "t"}, {"ce-source", "s"}};
  EXPECT_EQ(mode_of(binary, "x"), Mode::binary);
}

TEST(EventBody, WhatIsRefused) {
  const auto refusal = [](http::Headers headers) {
    admin::EventBody read;
    return admin::read_events(request_of(std::move(headers), "{}"), &read);
  };
  using core::ErrorCode;
  for (const char* media : {"text/plain", "application/cloudevents+avro", "",
                            "application/cloudevents+json; charset=latin1"}) {
    EXPECT_EQ(refusal({{"Content-Type", media}}).code, ErrorCode::unsupported_media_type) << media;
  }
  const core::Error twice =
      refusal({{"ce-specversion", "1.0"}, {"ce-id", "1"}, {"CE-ID", "2"}, {"ce-type", "t"}});
  EXPECT_EQ(twice.detail, "ce-id: is given more than once");
}

}  // namespace
}  // namespace headrace

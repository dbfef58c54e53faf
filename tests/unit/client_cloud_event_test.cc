#include <gtest/gtest.h>

#include <random>

#include "client/cloud_event.h"

namespace headrace::client {
namespace {

std::string header_of(const OutgoingEvent& event, std::string_view name) {
  const std::string* value = event.header(name);
  return value != nullptr ? *value : "(none)";
}

TEST(CloudEvent, AttributesBecomeHeaders) {
  const auto event = parse_cloud_event(
      R"({"specversion":"1.0","id":"a-1","type":"order.created","source":"/shop",)"
      R"("time":"2026-01-31T23:59:59.123456Z","datacontenttype":"text/plain","data":"hi",)"
      R"("correlationid":"c","causationid":"d","traceparent":"00-1-2-03","partitionkey":"k",)"
      R"("schemaversion":3,"flag":true})",
      7);
  ASSERT_TRUE(event.ok()) << event.error.message;
  EXPECT_EQ(event->id, "a-1");
  EXPECT_EQ(event->key, "k");
  EXPECT_EQ(event->data, "hi");
  EXPECT_EQ(event->timestamp_ms, 1'769'903'999'123);
  EXPECT_EQ(header_of(event.value, "ce_type"), "order.created");
  EXPECT_EQ(header_of(event.value, "ce_source"), "/shop");
  EXPECT_EQ(header_of(event.value, "ce_time"), "2026-01-31T23:59:59.123456Z");
  EXPECT_EQ(header_of(event.value, "content-type"), "text/plain");
  EXPECT_EQ(header_of(event.value, "ce_correlationid"), "c");
  EXPECT_EQ(header_of(event.value, "ce_causationid"), "d");
  EXPECT_EQ(header_of(event.value, "traceparent"), "00-1-2-03");
  EXPECT_EQ(header_of(event.value, "ce_schemaversion"), "3");
  EXPECT_EQ(header_of(event.value, "ce_flag"), "true");
}

std::string data_of(const std::string& members) {
  const auto event = parse_cloud_event(
      R"({"specversion":"1.0","id":"1","type":"t","source":"s")" + members + "}", 7);
  if (!event.ok()) return "error: " + event.error.message;
  EXPECT_EQ(event->timestamp_ms, 7);
  return event->data.value_or("(null)");
}

TEST(CloudEvent, DataForms) {
  EXPECT_EQ(data_of(""), "(null)");
  EXPECT_EQ(data_of(R"(,"data":null)"), "(null)");
  EXPECT_EQ(data_of(R"(,"data":{"b":1,"a":[2.5]})"), R"({"b":1,"a":[2.5]})");
  EXPECT_EQ(data_of(R"(,"data":"x")"), R"("x")");  // JSON unless it says otherwise
  EXPECT_EQ(data_of(R"(,"datacontenttype":"application/vnd.x+json; v=1","data":"x")"), R"("x")");
  EXPECT_EQ(data_of(R"(,"datacontenttype":"text/xml","data":"<x/>")"), "<x/>");
  EXPECT_EQ(data_of(R"(,"data_base64":"AP8=")"), std::string("\0\xff", 2));
  EXPECT_EQ(data_of(R"(,"data_base64":"")"), "");
}

TEST(CloudEvent, RefusesWhatIsNotOne) {
  const char* bad[] = {
      "",
      "{",
      "[]",
      "7",
      "null",
      R"({"specversion":"1.0","id":"1","type":"t"})",
      R"({"specversion":"1.0","id":"","type":"t","source":"s"})",
      R"({"specversion":"1.0","id":7,"type":"t","source":"s"})",
      R"({"specversion":"0.3","id":"1","type":"t","source":"s"})",
      R"({"specversion":"1.0","id":"1","type":"t","source":"s","time":"yesterday"})",
      R"({"specversion":"1.0","id":"1","type":"t","source":"s","ext":{}})",
      R"({"specversion":"1.0","id":"1","type":"t","source":"s","data_base64":"*"})",
      R"({"specversion":"1.0","id":"1","type":"t","source":"s","data_base64":"AA==","data":1})",
  };
  for (const char* text : bad) {
    const auto event = parse_cloud_event(text, 7);
    EXPECT_FALSE(event.ok()) << text;
    EXPECT_EQ(event.error.code, kCodeBadArgument) << text;
  }
}

TEST(CloudEvent, DefaultIdNamesThePlaceAndLateEpochs) {
  EXPECT_EQ(storage::default_event_id(5, 2, 17, 1), "t5-2-17");
  EXPECT_EQ(storage::default_event_id(5, 2, 17, 0), "t5-2-17");
  EXPECT_EQ(storage::default_event_id(5, 2, 17, 3), "t5-2-17@3");
}

TEST(CloudEvent, TravelsThroughABatch) {
  OutgoingEvent sent;
  sent.id = "id-1";
  sent.key = "";
  sent.data = std::nullopt;
  sent.timestamp_ms = 1'700'000'000'000;
  sent.set_header(kHeaderType, "a.b");
  sent.headers.emplace_back("null", std::nullopt);
  std::vector<storage::HeaderField> fields;
  storage::BatchBuilder builder;
  builder.add(sent.view(&fields));
  const SharedBytes batch = builder.finish();
  const auto header = storage::read_header(batch.span());
  ASSERT_TRUE(header);
  storage::RecordReader reader(batch.span().subspan(storage::kBatchHeaderSize), *header);
  storage::RecordView record;
  ASSERT_TRUE(reader.next(&record));
  EXPECT_TRUE(record.key && record.key->empty());
  EXPECT_FALSE(record.value);
  const EventAttributes read = read_attributes(record);
  EXPECT_EQ(read.id, "id-1");
  EXPECT_EQ(read.type, "a.b");
  EXPECT_EQ(read.correlation_id, "");
  ASSERT_EQ(read.others.size(), 1u);
  EXPECT_EQ(read.others[0].key, "null");
  EXPECT_FALSE(read.others[0].value);
}

}  // namespace
}  // namespace headrace::client

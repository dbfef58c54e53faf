// Protobuf descriptors as schemas: what is taken, validated, and what a change of one does.
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/limits.h"
#include "broker/schema/schema.h"

namespace headrace::schema {
namespace {

// A set of one file with a message M that has these fields, as text of a DescriptorProto.
std::string set_of(const std::string& message, const std::string& syntax = "proto3",
                   const std::string& file = "") {
  google::protobuf::FileDescriptorSet set;
  const std::string text = R"(file { name: "m.proto" syntax: ")" + syntax + "\" " + file +
                           R"( message_type { name: "M" )" + message + " } }";
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &set)) << text;
  return set.SerializeAsString();
}

std::string field(const std::string& name, int number, const std::string& type,
                  const std::string& more = "label: LABEL_OPTIONAL") {
  return "field { name: \"" + name + "\" number: " + std::to_string(number) + " type: " + type +
         " " + more + " } ";
}

std::string why_not_protobuf(const std::string& set, const std::string& message) {
  std::string why;
  EXPECT_EQ(compile({Format::protobuf, set, message}, &why), nullptr);
  return why;
}

std::vector<std::string> issues_of_bytes(const std::string& set, const std::string& value,
                                         const std::string& message = "M") {
  std::string why;
  const auto made = compile({Format::protobuf, set, message}, &why);
  EXPECT_NE(made, nullptr) << why;
  std::vector<std::string> told;
  if (made == nullptr) return told;
  int64_t steps = limits::kValidationStepsPerJob;
  for (const Issue& one : made->check(value, &steps)) told.push_back(one.path + ": " + one.message);
  return told;
}

// "path text (effect)".
std::vector<std::string> changes(const std::string& older, const std::string& newer,
                                 const std::string& syntax = "proto3") {
  std::vector<std::string> told;
  for (const Difference& one : differences({Format::protobuf, set_of(older, syntax), "M"},
                                           {Format::protobuf, set_of(newer, syntax), "M"})) {
    told.push_back(one.path + " " + one.text + " (" + std::string(to_string(one.effect)) + ")");
  }
  return told;
}

using Told = std::vector<std::string>;

TEST(ProtobufSchema, ValidatesBytes) {
  const std::string set = set_of(field("n", 1, "TYPE_INT32") + field("s", 2, "TYPE_STRING"));
  EXPECT_EQ(issues_of_bytes(set, ""), Told{});
  EXPECT_EQ(issues_of_bytes(set, std::string("\x08\x07\x12\x01x", 5)), Told{});
  EXPECT_EQ(issues_of_bytes(set, "\x08"), Told{": does not parse as M"});
  EXPECT_EQ(issues_of_bytes(set, std::string("\x12\x01\xff", 3)), Told{": does not parse as M"})
      << "a text that is not UTF-8";
  EXPECT_EQ(issues_of_bytes(set, R"({"n": 7})"), Told{": does not parse as M"});
  EXPECT_EQ(issues_of_bytes(set, std::string("\x1a\x00", 2)), Told{}) << "a field of later";
  EXPECT_EQ(issues_of_bytes(set, std::string(limits::kValidatedBytes + 1, '\0')).size(), 1u);
}

TEST(ProtobufSchema, NamesWhatIsMissing) {
  const std::string set =
      set_of(field("n", 1, "TYPE_INT32", "label: LABEL_REQUIRED") +
                 field("in", 2, "TYPE_MESSAGE", "label: LABEL_OPTIONAL type_name: \".M\""),
             "proto2");
  EXPECT_EQ(issues_of_bytes(set, ""), Told{"n: is required"});
  EXPECT_EQ(issues_of_bytes(set, std::string("\x08\x01\x12\x00", 4)), Told{"in.n: is required"});
}

TEST(ProtobufSchema, BoundsDepthAndSize) {
  const std::string set =
      set_of(field("in", 2, "TYPE_MESSAGE", "label: LABEL_OPTIONAL type_name: \".M\""));
  std::string value;
  for (int i = 0; i < 60; ++i)
    value = std::string("\x12") + static_cast<char>(value.size()) + value;
  EXPECT_EQ(issues_of_bytes(set, value), Told{});
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    const auto size = static_cast<unsigned>(deep.size());
    std::string head = "\x12";
    if (size < 128) {
      head += static_cast<char>(size);
    } else {
      head += static_cast<char>(0x80 | (size & 0x7f));
      head += static_cast<char>(size >> 7);
    }
    deep = head + deep;
  }
  EXPECT_EQ(issues_of_bytes(set, deep), Told{": does not parse as M"});
}

TEST(ProtobufSchema, RefusesWhatIsNoSet) {
  EXPECT_NE(why_not_protobuf("no set at all", "M").find("FileDescriptorSet"), std::string::npos);
  EXPECT_NE(why_not_protobuf(set_of(""), "N").find("no message 'N'"), std::string::npos);
  EXPECT_NE(why_not_protobuf(set_of("", "proto3", R"(dependency: "other.proto")"), "M")
                .find("imports 'other.proto'"),
            std::string::npos);
  EXPECT_NE(why_not_protobuf(set_of("", "proto3", R"(dependency: "m.proto")"), "M").find("circle"),
            std::string::npos);
  EXPECT_NE(why_not_protobuf(set_of(field("a", 1, "TYPE_INT32") + field("b", 1, "TYPE_INT32")), "M")
                .find("m.proto"),
            std::string::npos);
  EXPECT_NE(why_not_protobuf(set_of(field("a", 1, "TYPE_MESSAGE",
                                          "label: LABEL_OPTIONAL type_name: \".Missing\"")),
                             "M")
                .find("Missing"),
            std::string::npos);
}

TEST(ProtobufSchema, ImportsWhatComesWithProtobuf) {
  const std::string set =
      set_of(field("at", 1, "TYPE_MESSAGE",
                   "label: LABEL_OPTIONAL type_name: \".google.protobuf.Timestamp\""),
             "proto3", R"(dependency: "google/protobuf/timestamp.proto")");
  EXPECT_EQ(issues_of_bytes(set, std::string("\x0a\x02\x08\x01", 4)), Told{});
  EXPECT_EQ(issues_of_bytes(set, std::string("\x0a\x02\x08", 3)).size(), 1u);
}

TEST(ProtobufDifferences, FollowTheWire) {
  const std::string n = field("n", 1, "TYPE_INT32");
  EXPECT_EQ(changes(n, n), Told{});
  EXPECT_EQ(changes(n, field("count", 1, "TYPE_INT32")), Told{"n is called count now (none)"});
  EXPECT_EQ(changes(n, n + field("m", 2, "TYPE_STRING")), Told{"m is new (none)"});
  EXPECT_EQ(changes(n + field("m", 2, "TYPE_STRING"), n),
            Told{"m is gone, its number not reserved (none)"});
  EXPECT_EQ(changes(n + field("m", 2, "TYPE_STRING"), n + "reserved_range { start: 2 end: 3 }"),
            Told{"m is gone, its number reserved (none)"});
  EXPECT_EQ(changes(n + "reserved_range { start: 2 end: 3 }", n + field("m", 2, "TYPE_STRING")),
            Told{"m is new, and its number was reserved (both)"});
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_INT64")), Told{"n type was int32, is int64 (wider)"});
  EXPECT_EQ(changes(field("n", 1, "TYPE_INT64"), n), Told{"n type was int64, is int32 (narrower)"});
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_UINT32")), Told{"n type was int32, is uint32 (both)"});
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_SINT32")), Told{"n type was int32, is sint32 (both)"});
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_STRING")), Told{"n type was int32, is string (both)"});
  EXPECT_EQ(changes(field("n", 1, "TYPE_STRING"), field("n", 1, "TYPE_BYTES")),
            Told{"n type was string, is bytes (wider)"});
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_INT32", "label: LABEL_REPEATED")),
            Told{"n is repeated now (both)"});
  const std::string one_of = "label: LABEL_OPTIONAL oneof_index: 0";
  EXPECT_EQ(changes(n, field("n", 1, "TYPE_INT32", one_of) + R"(oneof_decl { name: "o" })"),
            Told{"n is in a oneof now (both)"});
}

TEST(ProtobufDifferences, OfRequiredFieldsAndClosedEnums) {
  const std::string n = field("n", 1, "TYPE_INT32");
  const std::string required = field("n", 1, "TYPE_INT32", "label: LABEL_REQUIRED");
  EXPECT_EQ(changes(n, required, "proto2"), Told{"n is required now (narrower)"});
  EXPECT_EQ(changes(required, n, "proto2"), Told{"n is no longer required (wider)"});
  EXPECT_EQ(changes("", required, "proto2"), Told{"n is new (narrower)"});
  EXPECT_EQ(changes(required, "", "proto2"), Told{"n is gone, its number not reserved (wider)"});
  const std::string of_enum =
      field("e", 1, "TYPE_ENUM", "label: LABEL_OPTIONAL type_name: \".M.E\"");
  const std::string a = R"(enum_type { name: "E" value { name: "A" number: 0 } )";
  const std::string ab = of_enum + a + R"(value { name: "B" number: 1 } })";
  const std::string only_a = of_enum + a + "}";
  EXPECT_EQ(changes(only_a, ab, "proto2"), Told{"e value B is new (wider)"});
  EXPECT_EQ(changes(ab, only_a, "proto2"), Told{"e value B is gone (narrower)"});
  EXPECT_EQ(changes(only_a, ab), Told{"e value B is new (none)"});
}

TEST(ProtobufDifferences, GoIntoMessagesThatHoldThemselves) {
  const std::string in = field("in", 2, "TYPE_MESSAGE", "label: LABEL_OPTIONAL type_name: \".M\"");
  EXPECT_EQ(changes(in + field("n", 1, "TYPE_INT32"), in + field("n", 1, "TYPE_BOOL")),
            Told{"n type was int32, is bool (narrower)"});
}

TEST(Differences, OfFormatsAreBoth) {
  const auto found = differences({Format::json, "true", ""}, {Format::protobuf, set_of(""), "M"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].effect, Effect::both);
}

}  // namespace
}  // namespace headrace::schema

#include "net/native/frame.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "headrace.pb.h"
#include "metrics/crc32c.h"

namespace headrace::net::native {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

FrameError read(std::string_view text) {
  FrameHeader header;
  return read_frame_header(bytes_of(text), &header);
}

std::string hello_frame() {
  proto::Hello hello;
  hello.set_client("test/1");
  const SharedBytes frame = encode_frame(MessageType::hello, 0, 7, hello, 0);
  return std::string(frame.view());
}

// Offsets, order and byte order are the wire's: these bytes never change.
TEST(Frame, GoldenBytes) {
  const SharedBytes frame =
      encode_frame(MessageType::publish_batch, kFlagError, 0x01020304, proto::Ping(), 0x00a0b0c0);
  std::string expected("HR\x01\x01\x00\x0b\x00\x00\x01\x02\x03\x04\x00\x00\x00\x00\x00\xa0\xb0\xc0",
                       20);
  const uint32_t crc = crc32c(bytes_of(expected));
  for (const int shift : {24, 16, 8, 0}) expected.push_back(static_cast<char>(crc >> shift));
  EXPECT_EQ(frame.view(), expected);
  EXPECT_EQ(crc, 0xaf429eabu);
}

TEST(Frame, RoundTrip) {
  const std::string frame = hello_frame();
  FrameHeader header;
  ASSERT_EQ(read_frame_header(bytes_of(frame), &header), FrameError::ok);
  EXPECT_EQ(header.type, static_cast<uint16_t>(MessageType::hello));
  EXPECT_EQ(header.flags, 0);
  EXPECT_EQ(header.request_id, 7u);
  EXPECT_EQ(header.total_size(), frame.size());
  EXPECT_TRUE(check_frame_crc(bytes_of(frame), header));
  proto::Hello hello;
  ASSERT_TRUE(
      hello.ParseFromArray(frame.data() + kFrameHeaderSize, static_cast<int>(header.message_size)));
  EXPECT_EQ(hello.client(), "test/1");
}

TEST(Frame, EveryPrefixNeedsMore) {
  const std::string frame = hello_frame();
  for (size_t size = 0; size < kFrameHeaderSize; ++size) {
    EXPECT_EQ(read(std::string_view(frame).substr(0, size)), FrameError::need_more) << size;
  }
}

TEST(Frame, EveryFlippedBitIsFound) {
  const std::string frame = hello_frame();
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    FrameHeader header;
    const FrameError error = read_frame_header(bytes_of(damaged), &header);
    if (error != FrameError::ok) continue;
    // A damaged size may ask for more bytes than there are: the sum is checked when they come.
    const size_t covered = kFrameHeaderSize + header.message_size;
    damaged.resize(std::max(damaged.size(), covered), '\0');
    EXPECT_FALSE(check_frame_crc(bytes_of(damaged), header)) << "bit " << bit;
  }
}

TEST(Frame, TheFirstTwoBytesDecide) {
  EXPECT_EQ(read("H"), FrameError::need_more);
  EXPECT_EQ(read("HR"), FrameError::need_more);
  EXPECT_EQ(read("HX"), FrameError::not_headrace);
  EXPECT_EQ(read("HTTP/1.1 400"), FrameError::looks_like_http_reply);
  EXPECT_EQ(read(std::string_view("\0\0", 2)), FrameError::not_headrace);
  EXPECT_EQ(read("\x16\x03"), FrameError::looks_like_tls);
  EXPECT_EQ(read("\x16\x03\x01\x02"), FrameError::looks_like_tls);
  for (const char* method : {"GET /", "POST /", "PUT /", "HEAD /", "DELETE /", "OPTIONS *",
                             "PATCH /", "CONNECT a", "TRACE /"}) {
    EXPECT_EQ(read(method), FrameError::looks_like_http) << method;
    EXPECT_EQ(read(std::string_view(method, 2)), FrameError::looks_like_http) << method;
  }
}

TEST(Frame, RefusesInTheOrderOfTheBytes) {
  EXPECT_EQ(read("HR\x02"), FrameError::bad_version);
  EXPECT_EQ(read(std::string_view("HR\0", 3)), FrameError::bad_version);
  EXPECT_EQ(read("HR\x01\x02"), FrameError::bad_reserved);
  EXPECT_EQ(read(std::string_view("HR\x01\x00\x00\x01\x00\x01", 8)), FrameError::bad_reserved);

  std::string frame = hello_frame();
  frame.replace(12, 4, std::string("\x00\x10\x00\x01", 4));  // 1 MiB + 1
  EXPECT_EQ(read(std::string_view(frame).substr(0, 16)), FrameError::message_too_large);
  frame = hello_frame();
  frame.replace(16, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(read(std::string_view(frame).substr(0, 20)), FrameError::payload_too_large);
  frame.replace(16, 4, std::string("\x01\x00\x00\x00", 4));  // 16 MiB
  EXPECT_EQ(read(frame), FrameError::ok);
}

TEST(Frame, EveryErrorHasItsOwnSentence) {
  std::set<std::string_view> sentences;
  for (int error = 0; error <= static_cast<int>(FrameError::bad_crc); ++error) {
    sentences.insert(to_string(static_cast<FrameError>(error)));
  }
  EXPECT_EQ(sentences.size(), static_cast<size_t>(FrameError::bad_crc) + 1);
  EXPECT_NE(to_string(FrameError::looks_like_http).find("HTTP port"), std::string_view::npos);
  EXPECT_NE(to_string(FrameError::looks_like_tls).find("HTTP port"), std::string_view::npos);
}

TEST(Frame, KnowsItsMessages) {
  EXPECT_TRUE(is_known(1));
  EXPECT_TRUE(is_known(46));
  EXPECT_FALSE(is_known(0));
  EXPECT_FALSE(is_known(47));
  EXPECT_FALSE(is_known(0xffff));
  EXPECT_EQ(to_string(MessageType::publish_batch), "publish_batch");
}

}  // namespace
}  // namespace headrace::net::native

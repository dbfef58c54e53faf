#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <snappy.h>

#include "metrics/big_endian.h"
#include "storage/batch.h"
#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr Codec kAll[] = {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};
constexpr Codec kReal[] = {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};
constexpr size_t kLarge = 64u << 20;

std::span<const std::byte> codec_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string compressed(Codec codec, std::string_view text) {
  std::string out;
  compress(codec, codec_bytes(text), &out);
  return out;
}

RC_GTEST_PROP(Codec, InflatesWhatItCompressed, ()) {
  const Codec codec =
      *rc::gen::element(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd);
  const auto text = *rc::gen::container<std::string>(rc::gen::element('a', 'b', '\0', '\xff'));
  std::string out = "what was here before";
  RC_ASSERT(inflate(codec, codec_bytes(compressed(codec, text)), kLarge, &out) == BatchError::ok);
  RC_ASSERT(out == text);
}

TEST(Codec, CompressAppends) {
  for (const Codec codec : kAll) {
    std::string out = "before";
    compress(codec, codec_bytes("text"), &out);
    EXPECT_EQ(out.substr(0, 6), "before");
    EXPECT_EQ(out.substr(6), compressed(codec, "text"));
  }
}

TEST(Codec, TheLimitIsExact) {
  const std::string text(100'000, 'z');
  for (const Codec codec : kAll) {
    const std::string small = compressed(codec, text);
    std::string out;
    EXPECT_EQ(inflate(codec, codec_bytes(small), text.size(), &out), BatchError::ok)
        << to_string(codec);
    EXPECT_EQ(out, text);
    EXPECT_EQ(inflate(codec, codec_bytes(small), text.size() - 1, &out),
              BatchError::inflate_too_large)
        << to_string(codec);
    EXPECT_LE(out.size(), text.size());
  }
}

TEST(Codec, ABombStopsAtTheLimit) {
  const std::string zeros(32u << 20, '\0');
  for (const Codec codec : kReal) {
    const std::string bomb = compressed(codec, zeros);
    std::string out;
    EXPECT_EQ(inflate(codec, codec_bytes(bomb), 1u << 20, &out), BatchError::inflate_too_large);
    EXPECT_LE(out.capacity(), 4u << 20) << to_string(codec);
  }
}

TEST(Codec, BatchesMayInflateAHundredTimesOrTo64KiB) {
  std::string scratch;
  std::span<const std::byte> records;
  const auto result = [&](size_t payload) {
    BatchBuilder builder;
    const std::string value(payload, '\0');
    builder.add({.value = value});
    const SharedBytes batch = builder.finish(Codec::zstd);
    return records_of(batch.span(), *read_header(batch.span()), &scratch, kLarge, &records);
  };
  EXPECT_EQ(result(60u << 10), BatchError::ok);
  EXPECT_EQ(result(1u << 20), BatchError::inflate_too_large);
}

TEST(Codec, EveryTruncationFails) {
  const std::string text = "some text, some more text, and some more text again";
  for (const Codec codec : kReal) {
    const std::string whole = compressed(codec, text);
    for (size_t size = 0; size < whole.size(); ++size) {
      std::string out;
      EXPECT_EQ(inflate(codec, codec_bytes(whole).first(size), kLarge, &out),
                BatchError::inflate_failed)
          << to_string(codec) << " cut to " << size;
    }
  }
}

TEST(Codec, TrailingBytesFail) {
  for (const Codec codec : kReal) {
    const std::string longer = compressed(codec, "some text") + "xyz";
    std::string out;
    EXPECT_EQ(inflate(codec, codec_bytes(longer), kLarge, &out), BatchError::inflate_failed)
        << to_string(codec);
  }
}

TEST(Codec, UnknownCodecsAreRefused) {
  std::string out;
  EXPECT_EQ(inflate(static_cast<Codec>(6), {}, kLarge, &out), BatchError::bad_codec);
}

// What the Java client writes: blocks behind a header of its own.
std::string xerial(std::initializer_list<std::string> blocks) {
  std::string out("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
  for (const std::string& block : blocks) {
    std::string small;
    snappy::Compress(block.data(), block.size(), &small);
    append_be(&out, static_cast<uint32_t>(small.size()));
    out += small;
  }
  return out;
}

TEST(Snappy, ReadsTheJavaFraming) {
  const std::string framed = xerial({"first block,", " second block", ""});
  std::string out;
  ASSERT_EQ(inflate(Codec::snappy, codec_bytes(framed), kLarge, &out), BatchError::ok);
  EXPECT_EQ(out, "first block, second block");
  EXPECT_EQ(inflate(Codec::snappy, codec_bytes(framed), 24, &out), BatchError::inflate_too_large);
  for (const size_t cut : {8, 15, 17, 19, 24}) {
    EXPECT_EQ(inflate(Codec::snappy, codec_bytes(framed).first(cut), kLarge, &out),
              BatchError::inflate_failed)
        << cut;
  }
}

TEST(Snappy, AStatedLengthIsNotBelieved) {
  const std::string liar("\xff\xff\xff\x7f\x00", 5);  // "I am 256 MiB"
  std::string out;
  EXPECT_EQ(inflate(Codec::snappy, codec_bytes(liar), 1u << 30, &out), BatchError::inflate_failed);
  EXPECT_EQ(inflate(Codec::snappy, codec_bytes(liar), 1u << 20, &out),
            BatchError::inflate_too_large);
}

}  // namespace
}  // namespace headrace::storage

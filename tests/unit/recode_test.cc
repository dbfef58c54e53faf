#include "storage/recode.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace::storage {
namespace {

SharedBytes batch_of(Codec codec, int events, size_t value_bytes) {
  BatchBuilder builder;
  builder.set_producer(ProducerId(7), 3, 40);
  const HeaderField type{"ce_type", "a.b"};
  for (int i = 0; i < events; ++i) {
    const std::string value(value_bytes, static_cast<char>('a' + i % 26));
    builder.add({"k" + std::to_string(i), value, 1'000 + i, {&type, 1}});
  }
  SharedBytes batch = builder.finish(codec);
  patch_batch(batch.mutable_data(), Offset(4'711), Epoch(9));
  return batch;
}

TEST(Recode, GivesTheBatchThatWasNeverCompressed) {
  const SharedBytes plain = batch_of(Codec::none, 100, 50);
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    const SharedBytes packed = batch_of(codec, 100, 50);
    SharedBytes out;
    ASSERT_EQ(inflate_batch(packed.span(), 1u << 20, &out), BatchError::ok) << to_string(codec);
    EXPECT_EQ(out.view(), plain.view()) << to_string(codec);
    BatchHeader header;
    EXPECT_EQ(check_header(out.span(), &header), BatchError::ok);
  }
}

TEST(Recode, IsBounded) {
  const SharedBytes plain = batch_of(Codec::none, 100, 500);
  const SharedBytes packed = batch_of(Codec::zstd, 100, 500);
  SharedBytes out;
  EXPECT_EQ(inflate_batch(packed.span(), plain.size(), &out), BatchError::ok);
  EXPECT_EQ(inflate_batch(packed.span(), plain.size() - 1, &out), BatchError::inflate_too_large);
  EXPECT_EQ(inflate_batch(packed.span(), kBatchHeaderSize - 1, &out), BatchError::too_short);
  EXPECT_EQ(inflate_batch(packed.span().first(60), 1u << 20, &out), BatchError::too_short);
  // A bomb: more than 100 times its size.
  const SharedBytes bomb = batch_of(Codec::zstd, 1, 8u << 20);
  EXPECT_EQ(inflate_batch(bomb.span(), 16u << 20, &out), BatchError::inflate_too_large);
}

}  // namespace
}  // namespace headrace::storage

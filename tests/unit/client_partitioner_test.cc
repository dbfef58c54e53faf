#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/partitioner.h"

namespace headrace::client {
namespace {

// Published vectors of FNV-1a, 64 bits.
TEST(Partitioner, HashIsFnv1a64) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8ULL);
}

TEST(Partitioner, BytesAreUnsigned) {
  EXPECT_EQ(fnv1a64("\xff"), (0xcbf29ce484222325ULL ^ 0xff) * 0x100000001b3ULL);
}

TEST(Partitioner, SpreadsKeysOverAllPartitions) {
  std::vector<int> counts(7);
  for (int i = 0; i < 7'000; ++i) ++counts[partition_of("key-" + std::to_string(i), 7)];
  for (const int count : counts) EXPECT_NEAR(count, 1'000, 200);
}

}  // namespace
}  // namespace headrace::client

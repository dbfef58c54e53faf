#include "metrics/crc32c.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace headrace {
namespace {

// The definition, bit by bit.
uint32_t slow_crc32c(const std::string& bytes) {
  uint32_t state = ~0u;
  for (const char c : bytes) {
    state ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ (state & 1 ? 0x82f63b78u : 0);
  }
  return ~state;
}

TEST(Crc32c, KnownVectors) {
  EXPECT_TRUE(crc32c_self_test());
  EXPECT_EQ(crc32c_extend(0, "123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

RC_GTEST_PROP(Crc32c, EqualsTheDefinition, (const std::string& bytes)) {
  RC_ASSERT(crc32c_extend(0, bytes.data(), bytes.size()) == slow_crc32c(bytes));
}

RC_GTEST_PROP(Crc32c, ExtendsOverAnySplit, (const std::string& bytes)) {
  const size_t cut = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
  const uint32_t first = crc32c_extend(0, bytes.data(), cut);
  RC_ASSERT(crc32c_extend(first, bytes.data() + cut, bytes.size() - cut) == slow_crc32c(bytes));
}

}  // namespace
}  // namespace headrace

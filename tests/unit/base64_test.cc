#include "metrics/base64.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace headrace {
namespace {

TEST(Base64, Vectors) {  // RFC 4648, section 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  for (const char* bad : {"Z", "Zg", "Zg=", "====", "Z===", "Zm9v\n", "Zm9*", "=Zg="}) {
    EXPECT_FALSE(decode_base64(bad)) << bad;
  }
}

TEST(Base64, RoundTrip) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    std::string bytes(random() % 100, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    EXPECT_EQ(decode_base16(encode_base16(bytes)), bytes);
  }
}

TEST(Base16, ReadsBothCasesAndNothingElse) {
  EXPECT_EQ(encode_base16("\x01\xab"), "01ab");
  EXPECT_EQ(decode_base16("01aB"), "\x01\xab");
  EXPECT_EQ(decode_base16(""), "");
  for (const char* bad : {"0", "0g", "0x01", " 1", "012"}) EXPECT_FALSE(decode_base16(bad)) << bad;
}

}  // namespace
}  // namespace headrace

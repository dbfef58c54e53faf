#include <gtest/gtest.h>

#include "net/io.h"

namespace headrace::net {
namespace {

TEST(Endpoint, ParsesAddresses) {
  Endpoint endpoint;
  std::string error;
  ASSERT_TRUE(parse_endpoint("127.0.0.1:7420", &endpoint, &error));
  EXPECT_EQ(endpoint.host, "127.0.0.1");
  EXPECT_EQ(endpoint.port, 7420);
  ASSERT_TRUE(parse_endpoint("[::1]:65535", &endpoint, &error));
  EXPECT_EQ(endpoint.host, "::1");
  EXPECT_EQ(endpoint.port, 65535);
  ASSERT_TRUE(parse_endpoint("localhost:0", &endpoint, &error));
  EXPECT_EQ(endpoint.host, "127.0.0.1");
  EXPECT_EQ(endpoint.port, 0);
}

TEST(Endpoint, WritesWhatItParses) {
  for (const char* text : {"127.0.0.1:7420", "[::1]:7420", "[2001:db8::7]:1", "0.0.0.0:0"}) {
    Endpoint endpoint;
    std::string error;
    ASSERT_TRUE(parse_endpoint(text, &endpoint, &error)) << error;
    EXPECT_EQ(endpoint.to_string(), text);
  }
}

TEST(Endpoint, SaysWhatIsWrongAndLeavesTheResultAlone) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"", "HOST:PORT"},
      {"7420", "HOST:PORT"},
      {"127.0.0.1", "HOST:PORT"},
      {"127.0.0.1:", "port"},
      {"127.0.0.1:65536", "port"},
      {"127.0.0.1:-1", "port"},
      {"127.0.0.1:80x", "port"},
      {"127.0.0.1: 80", "port"},
      {":7420", "host"},
      {"broker.example:7420", "host"},
      {"127.0.0.256:7420", "host"},
      {"::1:7420", "host"},
      {"[127.0.0.1]:7420", "host"},
      {"[localhost]:7420", "host"},
      {"[]:7420", "host"},
      {"[:7420", "host"},
  };
  for (const auto& [text, says] : cases) {
    Endpoint endpoint{"kept", 1};
    std::string error;
    EXPECT_FALSE(parse_endpoint(text, &endpoint, &error)) << text;
    EXPECT_NE(error.find(says), std::string::npos) << text << " -> " << error;
    EXPECT_NE(error.find(text), std::string::npos) << error;
    EXPECT_EQ(endpoint.host, "kept");
  }
}

}  // namespace
}  // namespace headrace::net

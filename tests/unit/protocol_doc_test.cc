// docs/protocol.md says what the tables in the code say: messages, errors, limits, the example
// frame.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "broker/core/error.h"
#include "broker/limits.h"
#include "headrace.pb.h"
#include "metrics/time.h"
#include "net/native/frame.h"

namespace headrace {
namespace {

std::string page() {
  std::ifstream file(HEADRACE_SOURCE_DIR "/docs/protocol.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Rows of the table that follows `heading`, without its two header lines.
std::vector<std::string> table(const std::string& text, const std::string& heading) {
  std::vector<std::string> rows;
  const size_t at = text.find("\n" + heading + "\n");
  if (at == std::string::npos) return rows;
  std::istringstream lines(text.substr(text.find("\n|", at) + 1));
  for (std::string line; std::getline(lines, line) && line.starts_with("|");) rows.push_back(line);
  if (rows.size() < 2) return {};
  rows.erase(rows.begin(), rows.begin() + 2);
  return rows;
}

std::string row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line;
}

TEST(ProtocolPage, ListsEveryMessage) {
  std::vector<std::string> expected;
#define HR_MESSAGE(number, name, request, reply) \
  expected.push_back(row({#number, #name, #request, #reply}));
#include "net/native/messages.def"
#undef HR_MESSAGE
  EXPECT_EQ(table(page(), "## Messages"), expected);
}

TEST(ProtocolPage, ListsEveryError) {
  std::vector<std::string> expected;
#define HR_ERROR(name, code, kafka, http, retryable, text)                           \
  expected.push_back(row({std::to_string(code), #name, #http, std::to_string(kafka), \
                          retryable ? "yes" : "no", text}));
#include "broker/core/errors.def"
#undef HR_ERROR
  EXPECT_EQ(table(page(), "## Errors"), expected);
}

TEST(ProtocolPage, ShowsARealFrame) {
  const SharedBytes frame =
      net::native::encode_frame(net::native::MessageType::ping, 0, 1, proto::Ping(), 0);
  std::string hex;
  for (const std::byte byte : frame.span()) {
    char digits[4];
    std::snprintf(digits, sizeof(digits), "%s%02x", hex.empty() ? "" : " ",
                  std::to_integer<unsigned>(byte));
    hex += digits;
  }
  EXPECT_NE(page().find("\n" + hex + "\n"), std::string::npos) << hex;
}

// The numbers in the page's text; a changed limit must be changed there, too.
TEST(ProtocolPage, NamesTheLimitsInForce) {
  EXPECT_EQ(net::native::kMaxMessageSize, 1u << 20);
  EXPECT_EQ(net::native::kMaxPayloadSize, 16u << 20);
  EXPECT_EQ(limits::kHandshakeUs, 2 * kMicrosPerSecond);
  EXPECT_EQ(limits::kIdleUs, 30 * kMicrosPerSecond);
  EXPECT_EQ(limits::kRequestsPerConnection, 4'096u);
  EXPECT_EQ(limits::kInFlightBytesPerConnection, 8u << 20);
  EXPECT_EQ(limits::kOutputBytesPerConnection, 32u << 20);
  EXPECT_EQ(limits::kSubscriptionsPerConnection, 1'024u);
  EXPECT_EQ(limits::kEventsPerPublish, 1'000u);
  EXPECT_EQ(limits::kHeadersPerEvent, 64u);
  EXPECT_EQ(limits::kNameMax, 249u);
  EXPECT_EQ(limits::kFetchBytesDefault, 1u << 20);
  EXPECT_EQ(limits::kFetchBytesMax, 8u << 20);
  EXPECT_EQ(limits::kFetchWaitMsMax, 30'000u);
  EXPECT_EQ(limits::kOutcomesPerSettle, 10'000u);
  EXPECT_EQ(limits::kEventsPerDelivery, 10'000u);
  EXPECT_EQ(limits::kMemberWindowDefault, 500u);
  EXPECT_EQ(limits::kMemberWindowMax, 100'000u);
  EXPECT_EQ(limits::kPageSizeDefault, 50u);
  EXPECT_EQ(limits::kPageSizeMax, 100u);
  EXPECT_EQ(limits::kDelayUsMax, 31 * 24 * 3600 * kMicrosPerSecond);
  EXPECT_EQ(limits::kDelayedPerPartition, 1'000'000);
  EXPECT_EQ(limits::kDelayedBytesPerPartition, 1 << 30);
}

}  // namespace
}  // namespace headrace

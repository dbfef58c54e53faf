#include "metrics/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <latch>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "metrics/quantity.h"

namespace headrace::log {
namespace {

constexpr int64_t kNoon = 1'751'371'200'000'001;  // 2025-07-01T12:00:00.000001Z

// Standard error goes to a file while this lives; the settings of the log come back after it.
class CapturedLog {
 public:
  explicit CapturedLog(Level least, Format format) : before_(level()) {
    saved_ = dup(STDERR_FILENO);
    file_ = std::tmpfile();
    dup2(fileno(file_), STDERR_FILENO);
    configure(least, format);
  }
  ~CapturedLog() {
    stop();
    std::fclose(file_);
  }

  std::vector<std::string> lines() {
    stop();
    std::string text;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      text += static_cast<char>(c);
    }
    std::vector<std::string> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

 private:
  void stop() {
    if (saved_ < 0) return;
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    saved_ = -1;
    configure(before_, format_for_standard_error());
  }

  Level before_;
  int saved_ = -1;
  std::FILE* file_ = nullptr;
};

TEST(Log, AJsonLineParsesAndKeepsItsTypes) {
  const std::string line = format_line(Format::json, kNoon, Level::warn, "disk \"data\"\nis low",
                                       {{"free_bytes", int64_t{-7}},
                                        {"count", 18'446'744'073'709'551'615u},
                                        {"share", 0.25},
                                        {"degraded", true},
                                        {"topic", "a\tb"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["time"], "2025-07-01T12:00:00.000001Z");
  EXPECT_EQ(json["level"], "warn");
  EXPECT_EQ(json["message"], "disk \"data\"\nis low");
  EXPECT_EQ(json["free_bytes"], -7);
  EXPECT_EQ(json["count"], 18'446'744'073'709'551'615u);
  EXPECT_EQ(json["share"], 0.25);
  EXPECT_EQ(json["degraded"], true);
  EXPECT_EQ(json["topic"], "a\tb");
}

TEST(Log, BytesThatAreNotTextStayOneValidLine) {
  const std::string_view bytes("\xff\xfe\0\x01{}", 6);
  const auto json =
      nlohmann::json::parse(format_line(Format::json, 0, Level::info, bytes, {{"name", bytes}}));
  EXPECT_TRUE(json["name"].is_string());
}

TEST(Log, ATextLineQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(format_line(Format::text, kNoon, Level::info, "topic made",
                        {{"topic", "orders"}, {"partitions", 3}, {"by", "two words"}, {"id", ""}}),
            "2025-07-01T12:00:00.000001Z INFO  topic made topic=orders partitions=3 "
            "by=\"two words\" id=\"\"");
  const std::string forged =
      format_line(Format::text, 0, Level::error, "a\nb", {{"name", "x\n2025 FATAL y"}});
  EXPECT_EQ(forged.find('\n'), std::string::npos);
}

TEST(Log, LinesBelowTheLevelAreNotWritten) {
  CapturedLog captured(Level::warn, Format::json);
  debug("one");
  info("two");
  warn("three");
  error("four");
  fatal("five");
  const auto lines = captured.lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["message"], "three");
  EXPECT_EQ(nlohmann::json::parse(lines[2])["level"], "fatal");
}

TEST(Log, LinesOfSeveralThreadsNeverMix) {
  CapturedLog captured(Level::debug, Format::json);
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::latch started(kThreads);
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      started.arrive_and_wait();
      for (int i = 0; i < kLines; ++i) debug("turn", {{"n", t * kLines + i}});
    });
  }
  for (auto& writer : writers) writer.join();
  std::set<int> seen;
  for (const std::string& line : captured.lines()) {
    seen.insert(nlohmann::json::parse(line)["n"].get<int>());
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kThreads * kLines));
}

TEST(Log, LevelNamesGoBothWays) {
  Level parsed = Level::info;
  for (const Level one : {Level::debug, Level::info, Level::warn, Level::error, Level::fatal}) {
    ASSERT_TRUE(parse_level(level_name(one), &parsed));
    EXPECT_EQ(parsed, one);
  }
  EXPECT_FALSE(parse_level("loud", &parsed));
  EXPECT_FALSE(parse_level("", &parsed));
}

}  // namespace
}  // namespace headrace::log

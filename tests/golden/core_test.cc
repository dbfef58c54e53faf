// Transcripts of one shard (tests/golden/core/*.txt): lines that begin with "> " are commands
// (core_stage.h), what follows each is what the shard wrote ("shard ..." and its mutations) and
// answered ("= ", "! "). UPDATE_GOLDEN=1 writes what happens now: then read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

const std::filesystem::path kFolder = HEADRACE_SOURCE_DIR "/tests/golden/core";

std::string play(const std::string& text) {
  CoreStage stage;
  std::string transcript;
  stage.take_transcript();  // how a shard starts is the same in all of them
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool command = line.starts_with("> ");
    if (!command && !line.starts_with("#")) continue;  // what happened last time
    transcript += line + "\n";
    if (!command) continue;
    stage.run(line.substr(2));
    transcript += stage.take_transcript();
  }
  return transcript;
}

class CoreGolden : public testing::TestWithParam<std::string> {};

TEST_P(CoreGolden, DoesAsWritten) {
  const auto path = kFolder / (GetParam() + ".txt");
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  ASSERT_FALSE(text.str().empty()) << path;
  const std::string transcript = play(text.str());
  if (std::getenv("UPDATE_GOLDEN") != nullptr)
    std::ofstream(path) << transcript;
  else
    EXPECT_EQ(text.str(), transcript);
}

std::vector<std::string> scenarios() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, CoreGolden, testing::ValuesIn(scenarios()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace headrace::test

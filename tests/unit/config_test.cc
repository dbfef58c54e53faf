#include "broker/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace headrace::broker {
namespace {

using Errors = std::vector<std::string>;

std::string write_file(const std::string& text) {
  const std::string path = testing::TempDir() + "headrace_config_test.toml";
  std::ofstream(path) << text;
  return path;
}

Errors errors_of(const ConfigSources& sources) {
  Errors errors;
  EXPECT_FALSE(load_config(sources, &errors).has_value());
  EXPECT_FALSE(errors.empty());
  return errors;
}

bool mentions(const std::string& text, std::initializer_list<std::string_view> words) {
  return std::all_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != text.npos; });
}

TEST(Config, DefaultsAreValid) {
  Errors errors;
  const auto config = load_config({}, &errors);
  ASSERT_TRUE(config.has_value()) << errors.front();
  EXPECT_EQ(config->broker.listen, "127.0.0.1:7420");
  EXPECT_EQ(config->http.listen, "127.0.0.1:7480");
  EXPECT_EQ(config->broker.shards, 64);
  EXPECT_EQ(config->limits.handshake_us, 2'000'000);
  EXPECT_EQ(config->limits.connection_in_flight_bytes, 8 << 20);
}

TEST(Config, EveryDefaultIsWithinItsRangeAndIsAcceptedAsAFlag) {
  std::istringstream lines(config_as_toml(Config()));
  for (const ConfigField& field : config_fields()) {
    EXPECT_FALSE(field.doc.empty()) << field.name();
    Config config;
    const auto member = field.member(&config);
    if (const auto* number = std::get_if<int64_t*>(&member)) {
      EXPECT_LE(field.least, **number) << field.name();
      EXPECT_GE(field.most, **number) << field.name();
    }
  }
  Errors errors;
  EXPECT_TRUE(load_config({.file = write_file(lines.str())}, &errors).has_value());
}

TEST(Config, NamesAreUnique) {
  std::set<std::string> names;
  for (const ConfigField& field : config_fields()) {
    EXPECT_TRUE(names.insert(field.name()).second) << field.name();
    EXPECT_TRUE(names.insert(field.environment()).second) << field.environment();
    EXPECT_TRUE(names.insert(field.flag()).second) << field.flag();
  }
}

TEST(Config, FlagsAreOverEnvironmentOverFile) {
  const std::string file = write_file(
      "[limits]\nhandshake = \"3s\"\nidle = \"40s\"\nbatch = \"1MiB\"\n"
      "[broker]\nshards = 8\n[storage]\ndirect_io = false\n");
  Errors errors;
  const auto config = load_config({.file = file,
                                   .environment = {{"HEADRACE_LIMITS_HANDSHAKE", "4s"},
                                                   {"HEADRACE_LIMITS_IDLE", "50s"},
                                                   {"HEADRACE_API_KEY", "not ours"},
                                                   {"HEADRACE_HTTP", "http://not.ours"}},
                                   .flags = {{"limits.handshake", "5s"}}},
                                  &errors);
  ASSERT_TRUE(config.has_value()) << errors.front();
  EXPECT_EQ(config->limits.handshake_us, 5'000'000);
  EXPECT_EQ(config->limits.idle_us, 50'000'000);
  EXPECT_EQ(config->limits.batch_bytes, 1 << 20);
  EXPECT_EQ(config->broker.shards, 8);
  EXPECT_FALSE(config->storage.direct_io);
}

TEST(Config, AnErrorNamesFieldSourceValueAndRange) {
  const std::string file = write_file("[broker]\n\nshards = 5000\n");
  EXPECT_TRUE(mentions(errors_of({.file = file}).front(),
                       {file + ":3", "broker.shards", "'5000'", "1 .. 4096", "default 64"}));
  EXPECT_TRUE(mentions(errors_of({.environment = {{"HEADRACE_LIMITS_IDLE", "soon"}}}).front(),
                       {"HEADRACE_LIMITS_IDLE", "limits.idle", "'soon'", "1s .. 1h", "30s"}));
  EXPECT_TRUE(mentions(errors_of({.flags = {{"broker.listen", "nowhere"}}}).front(),
                       {"--listen", "broker.listen", "'nowhere'", "HOST:PORT"}));
  EXPECT_TRUE(mentions(errors_of({.flags = {{"log.level", "loud"}}}).front(),
                       {"log.level", "debug info warn error fatal"}));
}

TEST(Config, AllErrorsAreReportedAtOnce) {
  const Errors errors = errors_of({.environment = {{"HEADRACE_STORAGE_DIRECT_IO", "yes"}},
                                   .flags = {{"broker.shards", "0"}, {"broker.data", ""}}});
  EXPECT_EQ(errors.size(), 3u);
}

TEST(Config, UnknownNamesAreRefusedWithTheNearest) {
  EXPECT_TRUE(mentions(errors_of({.file = write_file("[limits]\nhandshak = \"1s\"\n")}).front(),
                       {":2", "'limits.handshak'", "'limits.handshake'"}));
  EXPECT_TRUE(mentions(errors_of({.file = write_file("listen = \"a\"\n")}).front(), {"'listen'"}));
  EXPECT_TRUE(mentions(errors_of({.environment = {{"HEADRACE_HTTP_LISTN", "a"}}}).front(),
                       {"HEADRACE_HTTP_LISTN", "HEADRACE_HTTP_LISTEN"}));
  EXPECT_TRUE(mentions(errors_of({.flags = {{"broker.shard", "1"}}}).front(), {"broker.shards"}));
}

TEST(Config, BrokenFilesAreNamedWithTheirLine) {
  const std::string broken = write_file("[broker]\nlisten = \n");
  EXPECT_TRUE(mentions(errors_of({.file = broken}).front(), {broken + ":"}));
  EXPECT_TRUE(
      mentions(errors_of({.file = "/no/such/headrace.toml"}).front(), {"/no/such/headrace.toml"}));
  const std::string typed = write_file("[broker]\nlisten = [1]\n");
  EXPECT_TRUE(mentions(errors_of({.file = typed}).front(), {typed + ":2", "broker.listen"}));
}

TEST(Config, FieldsMustFitTogether) {
  EXPECT_TRUE(
      mentions(errors_of({.flags = {{"limits.handshake", "1m"}, {"limits.idle", "30s"}}}).front(),
               {"limits.handshake", "limits.idle"}));
  EXPECT_TRUE(mentions(
      errors_of({.flags = {{"storage.disk_low", "1GiB"}, {"storage.disk_critical", "1GiB"}}})
          .front(),
      {"storage.disk_critical", "storage.disk_low"}));
  EXPECT_TRUE(mentions(errors_of({.flags = {{"http.listen", "127.0.0.1:7420"}}}).front(),
                       {"broker.listen", "http.listen"}));
}

TEST(Config, ThePrintedConfigurationReadsBackTheSame) {
  Errors errors;
  const auto config = load_config({.flags = {{"broker.data", "/tmp/a \"quoted\" \\ path"},
                                             {"limits.idle", "90s"},
                                             {"storage.tail_cache", "1GiB"},
                                             {"storage.direct_io", "false"},
                                             {"log.format", "json"}}},
                                  &errors);
  ASSERT_TRUE(config.has_value()) << errors.front();
  const std::string printed = config_as_toml(*config);
  const auto again = load_config({.file = write_file(printed)}, &errors);
  ASSERT_TRUE(again.has_value()) << errors.front();
  EXPECT_EQ(config_as_toml(*again), printed);
  EXPECT_EQ(again->broker.data, "/tmp/a \"quoted\" \\ path");
}

// UPDATE_GOLDEN=1 writes the page anew.
TEST(Config, ThePageIsGeneratedFromTheTable) {
  const std::string path = std::string(HEADRACE_SOURCE_DIR) + "/docs/configuration.md";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << configuration_page();
  std::ifstream file(path);
  std::ostringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), configuration_page()) << "run the test with UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace headrace::broker

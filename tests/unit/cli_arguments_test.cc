#include <gtest/gtest.h>

#include <vector>

#include "client/cli/cli.h"
#include "client/cli/position.h"
#include "client/cli/retention.h"
#include "client/cli/session.h"

namespace headrace::cli {
namespace {

struct Recorded {
  std::vector<ServeArguments> serve;
  std::vector<ServeArguments> config;
  std::vector<BenchArguments> bench;
};

int run_cli(std::vector<std::string> words, Recorded* recorded) {
  words.insert(words.begin(), "headrace");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  Verbs verbs;
  verbs.serve = [recorded](const ServeArguments& given) {
    recorded->serve.push_back(given);
    return 0;
  };
  verbs.config = [recorded](const ServeArguments& given) {
    recorded->config.push_back(given);
    return 0;
  };
  verbs.bench = [recorded](const BenchArguments& given) {
    recorded->bench.push_back(given);
    return 42;
  };
  return run(static_cast<int>(argv.size()), argv.data(), verbs);
}

TEST(Arguments, ServeTakesItsFlags) {
  Recorded recorded;
  EXPECT_EQ(run_cli({"serve", "--data", "/d", "--listen", "h:1", "--http-listen", "h:2", "--config",
                     "f.toml", "--reactors", "3", "--set", "a.b=c=d", "--set", "e=", "--json"},
                    &recorded),
            kDone);
  ASSERT_EQ(recorded.serve.size(), 1u);
  const ServeArguments& given = recorded.serve[0];
  EXPECT_EQ(given.data, "/d");
  EXPECT_EQ(given.listen, "h:1");
  EXPECT_EQ(given.http_listen, "h:2");
  EXPECT_EQ(given.config_file, "f.toml");
  EXPECT_EQ(given.reactors, 3u);
  const std::vector<std::pair<std::string, std::string>> set{{"a.b", "c=d"}, {"e", ""}};
  EXPECT_EQ(given.set, set);
  EXPECT_TRUE(given.json);
}

TEST(Arguments, WhatIsNotGivenStaysUnset) {
  Recorded recorded;
  EXPECT_EQ(run_cli({"config"}, &recorded), kDone);
  ASSERT_EQ(recorded.config.size(), 1u);
  EXPECT_FALSE(recorded.config[0].listen);
  EXPECT_FALSE(recorded.config[0].reactors);
  EXPECT_TRUE(recorded.config[0].set.empty());
  EXPECT_FALSE(recorded.config[0].json);
}

TEST(Arguments, BenchTakesUnitsAndReturnsItsExitCode) {
  Recorded recorded;
  EXPECT_EQ(run_cli({"bench", "publish", "--size", "1024", "--batch", "16KiB", "--rate", "1000.5",
                     "--connections", "2", "--durability", "written", "--ceiling", "--timeout",
                     "2s", "--server", "127.0.0.1:1"},
                    &recorded),
            42);
  ASSERT_EQ(recorded.bench.size(), 1u);
  const BenchArguments& given = recorded.bench[0];
  EXPECT_EQ(given.load, BenchArguments::Load::publish);
  EXPECT_EQ(given.event_bytes, 1024u);
  EXPECT_EQ(given.batch_bytes, 16u << 10);
  EXPECT_EQ(given.events_per_s, 1000.5);
  EXPECT_EQ(given.connections, 2u);
  EXPECT_EQ(given.durability, 1);
  EXPECT_TRUE(given.ceiling);
  EXPECT_EQ(given.connect.timeout_ms, 2'000);
  EXPECT_EQ(given.connect.server, "127.0.0.1:1");
}

TEST(Arguments, BadUsageIsExitCodeTwo) {
  Recorded recorded;
  const std::vector<std::vector<std::string>> bad{
      {},
      {"nonsense"},
      {"topics"},
      {"topics", "create"},
      {"topics", "create", "t", "--partitions", "0"},
      {"topics", "create", "t", "--retention", "soon"},
      {"publish"},
      {"publish", "t", "--durability", "sometimes"},
      {"publish", "t", "--codec", "zip", "--data", "x"},
      {"publish", "t", "--data", "x", "--header", "noequals"},
      {"publish", "t", "--id", "one-for-many"},
      {"publish", "t", "--cloudevents", "--data", "x"},
      {"publish", "t", "--delay", "1s", "--deliver-at", "2026-01-01T00:00:00Z"},
      {"consume", "t", "--wait", "5"},
      {"consume", "t", "--from", "somewhere"},
      {"consume", "t", "--count", "-1"},
      {"topics", "ls", "--timeout", "soon"},
      {"topics", "ls", "--server", "no-port"},
      {"topics", "ls", "--as-tenant", "other"},
      {"serve", "--set", "nothing"},
      {"bench", "publish", "--batch", "big"},
      {"bench", "publish", "--durability", "sometimes"},
  };
  for (const auto& words : bad) {
    std::string line;
    for (const std::string& word : words) line += word + " ";
    EXPECT_EQ(run_cli(words, &recorded), kUsage) << line;
  }
  EXPECT_TRUE(recorded.serve.empty());
  EXPECT_TRUE(recorded.bench.empty());
}

TEST(Arguments, NoBrokerIsExitCodeThree) {
  Recorded recorded;
  // Port 1 of loopback: nobody listens there without being root's.
  EXPECT_EQ(run_cli({"topics", "ls", "--server", "127.0.0.1:1", "--timeout", "100ms"}, &recorded),
            kUnreachable);
  EXPECT_EQ(
      run_cli({"publish", "t", "--data", "x", "--server", "127.0.0.1:1", "--timeout", "100ms"},
              &recorded),
      kUnreachable);
}

TEST(Arguments, WhatComesLaterSaysSo) {
  Recorded recorded;
  EXPECT_EQ(run_cli({"publish", "t", "--data", "x", "--delay", "1s"}, &recorded), kFailed);
  EXPECT_EQ(run_cli({"doctor", "--data", "/tmp"}, &recorded), kFailed);
}

TEST(ExitCode, FollowsTheError) {
  EXPECT_EQ(exit_code({}), kDone);
  EXPECT_EQ(exit_code(client::unreachable("x")), kUnreachable);
  EXPECT_EQ(exit_code(client::no_reply("x")), kUnreachable);
  EXPECT_EQ(exit_code(client::bad_argument("x")), kUsage);
  EXPECT_EQ(exit_code({60, "limit_reached", "x", false, 0}), kRefused);
  EXPECT_EQ(exit_code({40, "unknown_topic", "x", false, 0}), kFailed);
}

TEST(Position, Forms) {
  EXPECT_TRUE(parse_position("earliest")->earliest());
  EXPECT_TRUE(parse_position("latest")->latest());
  EXPECT_EQ(parse_position("17")->offset(), 17);
  EXPECT_EQ(parse_position("1970-01-01T00:00:01Z")->time_us(), 1'000'000);
  for (const char* bad : {"", "-1", "17x", "tomorrow", "99999999999999999999"}) {
    EXPECT_FALSE(parse_position(bad).ok()) << bad;
  }
}

TEST(Retention, FormsAndBack) {
  for (const char* text :
       {"none", "7d", "10GiB", "1000events", "3months", "7d,10GiB,1events", "36h,512B,0months"}) {
    const auto retention = parse_retention(text);
    ASSERT_TRUE(retention.ok()) << text;
    EXPECT_EQ(format_retention(retention.value), text);
  }
  for (const char* bad : {"", "7", "d", "7d,", ",7d", "-1events", "1.5months", "none,7d", "0d"}) {
    EXPECT_FALSE(parse_retention(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace headrace::cli

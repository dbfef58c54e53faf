#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "client/cli/cli.h"
#include "client/cli/group_options.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "json/group.h"
#include "json/retention.h"

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
      {"groups"},
      {"groups", "create", "g"},
      {"groups", "create", "--topic", "t"},
      {"groups", "create", "g", "--topic", "t", "--ack-deadline", "30"},
      {"groups", "create", "g", "--topic", "t", "--retry-delays", "1s,soon"},
      {"groups", "create", "g", "--topic", "t", "--from", "somewhere"},
      {"groups", "create", "g", "--topic", "t", "--priority", "high"},
      {"groups", "create", "g", "--topic", "t", "--dlq-bytes", "many"},
      {"groups", "disable"},
      {"subscribe"},
      {"subscribe", "g", "--count", "0"},
      {"subscribe", "g", "--wait", "soon"},
      {"dlq"},
      {"dlq", "ls"},
      {"dlq", "get"},
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

TEST(Arguments, AWordThatIsNoVerbOrFlagIsNamedWithAGuess) {
  const auto told = [](const std::vector<std::string>& arguments) {
    Recorded recorded;
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_cli(arguments, &recorded), kUsage);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(told({"publsh", "t"}),
            "headrace: there is no verb 'publsh' after 'headrace'; did you mean 'publish'?\n"
            "`headrace --help` tells what there is\n");
  EXPECT_EQ(told({"publish", "t", "--tipe", "a"}),
            "headrace: 'headrace publish' has no flag '--tipe'; did you mean '--type'?\n"
            "`headrace publish --help` tells what there is\n");
  EXPECT_NE(told({"topics", "zzzzzz"}).find("no verb 'zzzzzz' after 'headrace topics'\n"),
            std::string::npos);
  EXPECT_NE(told({"events", "ls", "--count", "abc"}).find("'abc' is not a number above 0"),
            std::string::npos);
}

TEST(Arguments, ADueTimeThatIsNoneIsBadUsage) {
  Recorded recorded;
  EXPECT_EQ(run_cli({"publish", "t", "--data", "x", "--deliver-at", "soon"}, &recorded), kUsage);
  EXPECT_EQ(run_cli({"publish", "t", "--data", "x", "--delay", "soon"}, &recorded), kUsage);
}

TEST(ExitCode, FollowsTheError) {
  EXPECT_EQ(exit_code({}), kDone);
  EXPECT_EQ(exit_code(client::unreachable("x")), kUnreachable);
  EXPECT_EQ(exit_code(client::no_reply("x")), kUnreachable);
  EXPECT_EQ(exit_code(client::bad_argument("x")), kUsage);
  EXPECT_EQ(exit_code({60, "limit_reached", "x", false, 0}), kRefused);
  EXPECT_EQ(exit_code({40, "unknown_topic", "x", false, 0}), kFailed);
}

TEST(GroupOptions, OnlyWhatIsGivenIsSet) {
  proto::GroupOptions options;
  ASSERT_FALSE(apply_options({}, &options));
  EXPECT_FALSE(options.has_priority());
  EXPECT_FALSE(options.has_from());
  EXPECT_FALSE(options.retry().has_max_retries());

  GroupOptionArguments given;
  given.filters = {"user.*"};
  given.conditions = {"grade >= 80"};
  given.priority = 0;
  given.max_retries = 0;
  given.retry_base_ms = 10;
  given.retry_delays = {"250ms", "1s"};
  given.dlq_bytes = 1u << 20;
  given.from = "17";
  ASSERT_FALSE(apply_options(given, &options));
  EXPECT_EQ(options.filters(0), "user.*");
  EXPECT_EQ(options.conditions(0), "grade >= 80");
  EXPECT_TRUE(options.has_priority());
  EXPECT_EQ(options.retry().max_retries(), 0u);
  ASSERT_EQ(options.retry().delays_ms_size(), 2);
  EXPECT_EQ(options.retry().delays_ms(0), 250);
  EXPECT_EQ(options.dlq_bytes(), 1 << 20);
  EXPECT_EQ(options.from().offset(), 17);

  // An update over them: lists are replaced, a new formula ends the explicit delays.
  given = {};
  given.filters = {"a.b", "c.d"};
  given.no_conditions = true;
  given.retry_factor = 3;
  ASSERT_FALSE(apply_options(given, &options));
  EXPECT_EQ(options.filters_size(), 2);
  EXPECT_EQ(options.conditions_size(), 0);
  EXPECT_EQ(options.retry().delays_ms_size(), 0);
  EXPECT_EQ(options.retry().base_ms(), 10);
}

TEST(GroupOptions, AsJson) {
  GroupOptionArguments given;
  given.filters = {"a\"b"};
  given.ack_deadline_ms = 30'000;
  proto::GroupOptions options;
  ASSERT_FALSE(apply_options(given, &options));
  const auto json = nlohmann::json::parse(options_json(options));
  EXPECT_EQ(json["filters"][0], "a\"b");
  EXPECT_EQ(json["ack_deadline"], "30s");
}

TEST(GroupLine, HasTheFieldsOfTheContractForBothKinds) {
  for (const char* kind : {"acked", "positional"}) {
    proto::DescribeGroupOk group;
    group.set_group("g");
    group.set_kind(kind);
    group.set_state("failing");
    std::string out;
    JsonLine line(&out);
    group_fields(&line, group);
    group_details(&line, group);
    line.end();
    const auto json = nlohmann::json::parse(out);
    for (const char* field : {"group", "kind", "topic", "state", "lag_events", "lag_seconds",
                              "in_flight", "retry", "dlq", "consecutive_failures"}) {
      EXPECT_TRUE(json.contains(field)) << field;
    }
    EXPECT_EQ(json["state"], "failing");
  }
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
    ASSERT_TRUE(retention) << text;
    EXPECT_EQ(format_retention(*retention), text);
  }
  for (const char* bad : {"", "7", "d", "7d,", ",7d", "-1events", "1.5months", "none,7d", "0d"}) {
    EXPECT_FALSE(parse_retention(bad)) << bad;
  }
}

}  // namespace
}  // namespace headrace::cli

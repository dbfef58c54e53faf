#include "broker/live_settings.h"

#include <gtest/gtest.h>

namespace headrace::broker {
namespace {

Config config_of(std::vector<std::pair<std::string, std::string>> flags) {
  std::vector<std::string> errors;
  const auto config = load_config({"", {}, std::move(flags)}, &errors);
  EXPECT_TRUE(config) << (errors.empty() ? "" : errors.front());
  return config.value_or(Config());
}

TEST(LiveSettings, WhatIsLiveIsTakenAndTheRestWaits) {
  const Config used = config_of({{"limits.connections", "10"}, {"storage.workers", "2"}});
  const Config fresh = config_of({{"limits.connections", "20"},
                                  {"storage.workers", "4"},
                                  {"log.level", "debug"},
                                  {"topics.retention_age", "7d"},
                                  {"broker.listen", "127.0.0.1:9"}});
  ReloadReport report;
  const Config next = take_over(used, fresh, &report);
  EXPECT_EQ(next.limits.connections, 20);
  EXPECT_EQ(next.log.level, "debug");
  EXPECT_EQ(next.topics.retention_age_us, fresh.topics.retention_age_us);
  EXPECT_EQ(next.storage.workers, 2);
  EXPECT_EQ(next.broker.listen, used.broker.listen);
  const auto text = [](const std::vector<SettingChange>& changes) {
    std::string all;
    for (const auto& [name, before, now] : changes) {
      all += name + " " + before + " > " + now + "\n";
    }
    return all;
  };
  EXPECT_EQ(text(report.taken),
            "limits.connections 10 > 20\ntopics.retention_age 0s > 7d\nlog.level info > debug\n");
  EXPECT_EQ(text(report.restart),
            "broker.listen 127.0.0.1:7420 > 127.0.0.1:9\nstorage.workers 2 > 4\n");
}

TEST(LiveSettings, NothingChangedNothingReported) {
  ReloadReport report;
  take_over(Config(), Config(), &report);
  EXPECT_TRUE(report.taken.empty());
  EXPECT_TRUE(report.restart.empty());
}

// A second reload compares with what is in use, not with the start.
TEST(LiveSettings, AReloadGoesOnFromTheLast) {
  const Config start;
  ReloadReport first;
  const Config next = take_over(start, config_of({{"log.level", "warn"}}), &first);
  ReloadReport second;
  take_over(next, config_of({{"log.level", "warn"}}), &second);
  EXPECT_EQ(first.taken.size(), 1u);
  EXPECT_TRUE(second.taken.empty());
}

TEST(LiveSettings, AnAddressThatMayBeEmptyMayBeSetToNothing) {
  EXPECT_EQ(config_of({{"metrics.listen", ""}}).metrics.listen, "");
  EXPECT_EQ(config_of({{"metrics.listen", "127.0.0.1:0"}}).metrics.listen, "127.0.0.1:0");
  std::vector<std::string> errors;
  EXPECT_FALSE(load_config({"", {}, {{"broker.listen", ""}}}, &errors));
  EXPECT_FALSE(load_config({"", {}, {{"metrics.listen", "here"}}}, &errors));
}

}  // namespace
}  // namespace headrace::broker

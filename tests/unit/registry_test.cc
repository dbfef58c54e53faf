#include "metrics/registry.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "metrics/counters.h"

namespace headrace::metrics {
namespace {

bool has_line(const std::string& text, const std::string& wanted) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line == wanted) return true;
  }
  return false;
}

LabelledFamily topic_bytes(int topics) {
  LabelledFamily family{
      "headrace_topic_bytes", "Bytes of a topic", LabelledFamily::Kind::gauge, {}};
  for (int i = 0; i < topics; ++i) {
    family.samples.push_back({{{"topic", "t" + std::to_string(i)}}, static_cast<double>(i)});
  }
  return family;
}

TEST(Counters, ThreadsThatEndedStillCount) {
  const uint64_t before = total(Counter::syncs);
  const int64_t connections = total(Gauge::connections);
  for (int i = 0; i < 20; ++i) {
    std::thread([] {
      add(Counter::syncs, 5);
      add(Gauge::connections, 1);
    }).join();
  }
  EXPECT_EQ(total(Counter::syncs), before + 100);
  EXPECT_EQ(total(Gauge::connections), connections + 20);
  add(Gauge::connections, -20);
  EXPECT_EQ(total(Gauge::connections), connections);
}

TEST(Counters, TimingsOfAllThreadsAreMerged) {
  const uint64_t before = total(Timing::sync_latency).count();
  record(Timing::sync_latency, 100);
  std::thread([] { record(Timing::sync_latency, 200); }).join();
  EXPECT_EQ(total(Timing::sync_latency).count(), before + 2);
}

TEST(Registry, EveryMetricOfTheListIsExposed) {
  const std::string text = Registry(10).scrape();
#define HR_COUNTER(id, name, help) EXPECT_TRUE(has_line(text, "# TYPE " name " counter")) << name;
#define HR_GAUGE(id, name, help) EXPECT_TRUE(has_line(text, "# TYPE " name " gauge")) << name;
#define HR_HISTOGRAM(id, name, help) \
  EXPECT_TRUE(has_line(text, "# TYPE " name " histogram")) << name;
#include "metrics/metrics.def"
#undef HR_COUNTER
#undef HR_GAUGE
#undef HR_HISTOGRAM
  EXPECT_TRUE(has_line(text, "# TYPE process_resident_memory_bytes gauge"));
}

TEST(Registry, SourcesAddLabelledFamiliesAndLabelsAreEscaped) {
  Registry registry(10);
  registry.add_source([](std::vector<LabelledFamily>* families) {
    families->push_back({"headrace_group_lag_events",
                         "Lag",
                         LabelledFamily::Kind::gauge,
                         {{{{"group", "a\"b\\c\nd"}, {"topic", "t"}}, 12}}});
    families->push_back({"headrace_empty", "Nothing", LabelledFamily::Kind::gauge, {}});
  });
  const std::string text = registry.scrape();
  EXPECT_TRUE(has_line(text, R"(headrace_group_lag_events{group="a\"b\\c\nd",topic="t"} 12)"));
  EXPECT_EQ(text.find("headrace_empty"), std::string::npos);
}

TEST(Registry, SeriesAreBounded) {
  const std::string text = Registry(3).expose({topic_bytes(5)});
  EXPECT_TRUE(has_line(text, R"(headrace_topic_bytes{topic="t2"} 2)"));
  EXPECT_EQ(text.find(R"({topic="t3"})"), std::string::npos);
  EXPECT_TRUE(has_line(text, "headrace_series_dropped 2"));
}

TEST(Registry, PromtoolObjectsToOneNameOnly) {
  ASSERT_EQ(std::system("command -v promtool >/dev/null"), 0)
      << "promtool is missing: it comes with the package prometheus (deploy/packages.txt)";
  const std::string path = testing::TempDir() + "headrace_metrics.txt";
  std::FILE* file = std::fopen(path.c_str(), "we");
  ASSERT_NE(file, nullptr);
  record(Timing::publish_latency, 123);
  const std::string text = Registry(10).expose({topic_bytes(2)});
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
  std::FILE* lint = popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  ASSERT_NE(lint, nullptr);
  std::string said;
  for (int c = std::fgetc(lint); c != EOF; c = std::fgetc(lint)) said += static_cast<char>(c);
  pclose(lint);
  // The one name that is asked for and is not in its style.
  EXPECT_EQ(said,
            "event_processing_duration_histogram metric name should not include type "
            "'histogram'\n");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace headrace::metrics

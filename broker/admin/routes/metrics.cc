// /metrics: node-wide metrics, and series per topic and group, as many as the registry exposes; how
// many there are in all is a series of its own.
#include "broker/admin/routes.h"

namespace headrace::admin {
namespace {

using metrics::LabelledFamily;

LabelledFamily gauge(std::string name, std::string help) {
  return {std::move(name), std::move(help), LabelledFamily::Kind::gauge, {}};
}

// Topics and groups asked about in one scrape; the rest only counts.
constexpr size_t kAskedPerScrape = 200;

std::vector<core::RequestPtr> questions_about(const core::CatalogSnapshot& catalog) {
  std::vector<core::RequestPtr> questions;
  for (const auto& [name, topic] : catalog.topics) {
    if (questions.size() == kAskedPerScrape) break;
    auto question = std::make_unique<core::DescribeTopic>(core::Access::node(topic->tenant));
    question->topic = topic;
    question->shard = topic->shard;
    questions.push_back(std::move(question));
  }
  const size_t topics = questions.size();
  for (const auto& [name, group] : catalog.groups) {
    if (questions.size() == topics + kAskedPerScrape) break;
    auto topic = catalog.topic(group->tenant, group->topic);
    if (topic == nullptr) continue;
    auto question = std::make_unique<core::DescribeGroup>(core::Access::node(group->tenant));
    question->group = group;
    question->topic = topic;
    question->shard = topic->shard;
    questions.push_back(std::move(question));
  }
  return questions;
}

std::vector<LabelledFamily> families_of(const core::CatalogSnapshot& catalog,
                                        const std::vector<core::RequestPtr>& answers) {
  auto topics = gauge("headrace_topics", "Topics in the catalog");
  topics.samples.push_back({{}, static_cast<double>(catalog.topics.size())});
  auto groups = gauge("headrace_groups", "Consumer groups in the catalog");
  groups.samples.push_back({{}, static_cast<double>(catalog.groups.size())});
  auto events = gauge("headrace_topic_events", "Events in the topic's log");
  auto bytes = gauge("headrace_topic_bytes", "Bytes of batches in the topic's log");
  auto lag = gauge("headrace_group_lag_events", "Events the group has not committed yet");
  auto lag_seconds =
      gauge("headrace_group_lag_seconds", "Age of the oldest event not committed yet");
  for (const auto& answer : answers) {
    if (answer->error) continue;
    if (answer->kind == core::Request::Kind::describe_topic) {
      const auto& described = static_cast<const core::DescribeTopic&>(*answer);
      double count = 0;
      double size = 0;
      for (const auto& partition : described.partitions) {
        count += static_cast<double>(partition.visible_end - partition.log_start);
        size += static_cast<double>(partition.bytes);
      }
      events.samples.push_back({{{"topic", described.topic->name}}, count});
      bytes.samples.push_back({{{"topic", described.topic->name}}, size});
      continue;
    }
    const auto& stats = static_cast<const core::DescribeGroup&>(*answer).stats;
    lag.samples.push_back({{{"group", stats.group->name}}, static_cast<double>(stats.lag_events)});
    lag_seconds.samples.push_back({{{"group", stats.group->name}}, stats.lag_seconds});
  }
  return {topics, groups, events, bytes, lag, lag_seconds};
}

}  // namespace

void get_metrics(Admin& admin, const http::Request&, http::Respond respond) {
  admin.with_catalog(respond, [&admin](core::CatalogPtr catalog, http::Respond answer) {
    admin.ask(questions_about(*catalog),
              [&admin, catalog, answer](std::vector<core::RequestPtr> answers) {
                answer({200,
                        "text/plain; version=0.0.4; charset=utf-8",
                        {},
                        admin.registry().expose(families_of(*catalog, answers))});
              });
  });
}

}  // namespace headrace::admin

// /v1/doctor: whether what must always hold does hold in the running broker, topic by topic and
// group by group. What only a stopped one can tell is broker/doctor.
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "json/json_rows.h"

namespace headrace::admin {
namespace {

// What is wrong with a partition; empty if nothing is.
std::string trouble_of(const core::PartitionStats& partition) {
  if (partition.log_start.value() < 0 || partition.log_start > partition.visible_end) {
    return "log start " + std::to_string(partition.log_start.value()) + " is after its end " +
           std::to_string(partition.visible_end.value());
  }
  if (partition.first_append_us > partition.last_append_us) {
    return "the first append time is after the last";
  }
  Offset last_first(-1);
  for (const auto& month : partition.months) {
    if (month.first_offset <= last_first) return "months overlap";
    if (month.first_offset > partition.visible_end) {
      return "a month begins after the end of the log";
    }
    last_first = month.first_offset;
  }
  return {};
}

std::string trouble_of(const core::DescribeTopic& topic) {
  if (topic.partitions.size() != topic.topic->partitions) {
    return "describes " + std::to_string(topic.partitions.size()) + " of " +
           std::to_string(topic.topic->partitions) + " partitions";
  }
  for (const auto& partition : topic.partitions) {
    const std::string trouble = trouble_of(partition);
    if (trouble.empty()) continue;
    return "partition " + std::to_string(partition.partition.value()) + ": " + trouble;
  }
  return {};
}

std::string trouble_of(const core::GroupStats& group) {
  int64_t lag = 0;
  for (const auto& partition : group.partitions) {
    lag += partition.lag_events;
    if (partition.committed > partition.visible_end || partition.lag_events < 0) {
      return "partition " + std::to_string(partition.partition.value()) + ": committed " +
             std::to_string(partition.committed.value()) + ", log end " +
             std::to_string(partition.visible_end.value());
    }
  }
  return lag == group.lag_events ? "" : "lag is not the sum of lags";
}

class Findings {
 public:
  void add(const std::string& check, const std::string& trouble) {
    failed_ = failed_ || !trouble.empty();
    rows_.add([&](JsonLine* line) {
      line->text("check", check).text("result", trouble.empty() ? "PASS" : "FAIL");
      if (!trouble.empty()) line->text("detail", trouble);
    });
  }

  void add(const core::DescribeTopic& topic) {
    const std::string name = "topic " + topic.topic->name;
    using core::ErrorCode;
    const ErrorCode code = topic.error.code;
    if (code == ErrorCode::unknown_topic || code == ErrorCode::topic_deleting) return;  // meanwhile
    if (topic.error) return add(name + " can be described", topic.error.message());
    add(name + ": log start <= end, months in order", trouble_of(topic));
  }

  void add(const core::DescribeGroup& group) {
    const std::string name = "group " + group.group->name;
    if (group.error.code == core::ErrorCode::unknown_group) return;  // deleted meanwhile
    if (group.error) return add(name + " can be described", group.error.message());
    add(name + ": committed <= log end, lag adds up", trouble_of(group.stats));
  }

  std::string json() const {
    std::string body;
    JsonLine line(&body);
    line.text("result", failed_ ? "FAIL" : "PASS").raw("checks", rows_.text()).end();
    return body;
  }

 private:
  JsonRows rows_;
  bool failed_ = false;
};

std::vector<core::RequestPtr> questions_about(const CallPtr& call,
                                              const core::CatalogSnapshot& catalog) {
  const TenantId tenant = call->tenant().tenant();
  std::vector<core::RequestPtr> questions;
  for (const auto& [name, topic] : catalog.topics) {
    if (name.first != tenant || topic->state != core::Topic::State::active) continue;
    if (call->may(topic->name)) continue;
    auto question = std::make_unique<core::DescribeTopic>(call->tenant());
    question->topic = topic;
    question->shard = topic->shard;
    questions.push_back(std::move(question));
  }
  for (const auto& [name, group] : catalog.groups) {
    const auto topic = catalog.topic(tenant, group->topic);
    if (name.first != tenant || topic == nullptr) continue;
    if (topic->state != core::Topic::State::active || call->may(topic->name)) continue;
    questions.push_back(call->about<core::DescribeGroup>(group, topic));
  }
  return questions;
}

}  // namespace

void get_doctor(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->admin().ask(questions_about(call, *call->catalog()),
                    [call](std::vector<core::RequestPtr> answers) {
                      Findings findings;
                      for (const auto& one : answers) {
                        if (one->kind == core::Request::Kind::describe_topic) {
                          findings.add(core::as<core::DescribeTopic>(*one));
                        } else {
                          findings.add(core::as<core::DescribeGroup>(*one));
                        }
                      }
                      call->reply(200, findings.json());
                    });
}

}  // namespace headrace::admin

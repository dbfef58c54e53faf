// /v1/groups: the tenant's consumer groups with their lag in events and seconds, by name, in pages.
#include <nlohmann/json.hpp>

#include "broker/admin/routes.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

nlohmann::ordered_json time_or_null(int64_t time_us) {
  if (time_us == 0) return nullptr;
  return format_time_us(time_us);
}

void add_acked(const core::AckedStats& acked, nlohmann::ordered_json* row) {
  (*row)["in_flight"] = acked.in_flight;
  (*row)["retry"] = acked.retry;
  (*row)["dlq"] = acked.dead_letters;
  (*row)["dlq_bytes"] = acked.dead_letter_bytes;
  (*row)["dlq_level"] = to_string(acked.dlq_level);
  (*row)["dlq_blocked"] = acked.blocked;
  (*row)["dlq_dropped"] = acked.dropped;
  (*row)["dlq_hours_until_full"] = nullptr;
  if (acked.dlq_hours_until_full >= 0) {
    (*row)["dlq_hours_until_full"] = acked.dlq_hours_until_full;
  }
  (*row)["skipped"] = acked.skipped;
  (*row)["consecutive_failures"] = acked.consecutive_failures;
  (*row)["acked"] = acked.acked;
  (*row)["failed"] = acked.failed;
  (*row)["dead"] = acked.dead;
  (*row)["last_success"] = time_or_null(acked.last_success_us);
  (*row)["last_failure"] = time_or_null(acked.last_failure_us);
  (*row)["last_error"] = acked.last_error;
  (*row)["state_reason"] = acked.reason;
  (*row)["cooldown_ends"] = time_or_null(acked.cooldown_ends_us);
  (*row)["failure_rate"] = acked.failure_rate;
  (*row)["handler_p50_us"] = acked.handler_p50_us;
  (*row)["handler_p95_us"] = acked.handler_p95_us;
}

nlohmann::ordered_json to_json(const core::DescribeGroup& described) {
  nlohmann::ordered_json row;
  row["group"] = described.group->name;
  const bool acked = described.group->kind == core::GroupRecord::Kind::acked;
  row["kind"] = acked ? "acked" : "positional";
  row["topic"] = described.topic->name;
  if (described.error) {
    row["error"] = described.error.message();
    return row;
  }
  const core::GroupStats& stats = described.stats;
  // Nothing is delivered to a positional group that could fail.
  row["state"] = stats.acked ? to_string(stats.acked->state) : "healthy";
  row["membership"] = stats.members.empty() ? "empty" : "active";
  row["generation"] = stats.generation;
  row["members"] = stats.members.size();
  row["lag_events"] = stats.lag_events;
  row["lag_seconds"] = stats.lag_seconds;
  if (stats.acked) add_acked(*stats.acked, &row);
  row["partitions"] = nlohmann::ordered_json::array();
  for (const auto& partition : stats.partitions) {
    nlohmann::ordered_json one;
    one["partition"] = partition.partition.value();
    one["committed"] = nullptr;
    if (partition.committed.value() >= 0) one["committed"] = partition.committed.value();
    one["visible_end"] = partition.visible_end.value();
    one["lag_events"] = partition.lag_events;
    one["lag_seconds"] = partition.lag_seconds;
    row["partitions"].push_back(std::move(one));
  }
  return row;
}

}  // namespace

void get_groups(Admin& admin, const http::Request& request, http::Respond respond) {
  Page page;
  if (core::Error error = parse_page(request, &page)) return respond(problem(error));
  admin.with_catalog(respond, [&admin, page](core::CatalogPtr catalog, http::Respond answer) {
    std::vector<core::RequestPtr> questions;
    bool more = false;
    for (auto at = catalog->groups.upper_bound({kDefaultTenant, page.after});
         at != catalog->groups.end() && at->first.first == kDefaultTenant; ++at) {
      auto topic = catalog->topic(kDefaultTenant, at->second->topic);
      if (topic == nullptr) continue;
      if (questions.size() == page.limit) {
        more = true;
        break;
      }
      auto question = std::make_unique<core::DescribeGroup>(core::Access::node(kDefaultTenant));
      question->group = at->second;
      question->topic = topic;
      question->shard = topic->shard;
      questions.push_back(std::move(question));
    }
    admin.ask(std::move(questions), [answer, more](std::vector<core::RequestPtr> answers) {
      nlohmann::ordered_json body;
      body["groups"] = nlohmann::ordered_json::array();
      for (auto& one : answers)
        body["groups"].push_back(to_json(core::as<core::DescribeGroup>(*one)));
      body["next_cursor"] = nullptr;
      if (more) body["next_cursor"] = body["groups"].back()["group"];
      answer({200, "application/json", {}, body.dump() + "\n"});
    });
  });
}

}  // namespace headrace::admin

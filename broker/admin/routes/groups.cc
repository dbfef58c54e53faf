// /v1/groups: the tenant's consumer groups with their lag in events and seconds, by name, in pages.
#include <nlohmann/json.hpp>

#include "broker/admin/routes.h"

namespace headrace::admin {
namespace {

nlohmann::ordered_json to_json(const core::DescribeGroup& described) {
  nlohmann::ordered_json row;
  row["group"] = described.group->name;
  row["kind"] = "positional";
  row["topic"] = described.topic->name;
  if (described.error) {
    row["error"] = described.error.message();
    return row;
  }
  const core::GroupStats& stats = described.stats;
  row["state"] = "healthy";  // nothing is delivered to a positional group that could fail
  row["membership"] = stats.members.empty() ? "empty" : "active";
  row["generation"] = stats.generation;
  row["members"] = stats.members.size();
  row["lag_events"] = stats.lag_events;
  row["lag_seconds"] = stats.lag_seconds;
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

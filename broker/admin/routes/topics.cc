// /v1/topics: the tenant's topics with the numbers of their partitions, by name, in pages.
#include <nlohmann/json.hpp>

#include "broker/admin/routes.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

nlohmann::ordered_json time_or_null(int64_t time_us) {
  if (time_us == 0) return nullptr;
  return format_time_us(time_us);
}

nlohmann::ordered_json to_json(const core::DescribeTopic& described) {
  nlohmann::ordered_json row;
  const core::Topic& topic = *described.topic;
  row["topic"] = topic.name;
  row["id"] = topic.id.value();
  row["state"] = topic.state == core::Topic::State::active ? "active" : "deleting";
  if (described.error) {
    row["error"] = described.error.message();
    return row;
  }
  int64_t events = 0;
  int64_t bytes = 0;
  row["partitions"] = nlohmann::ordered_json::array();
  for (const auto& partition : described.partitions) {
    events += partition.visible_end - partition.log_start;
    bytes += partition.bytes;
    nlohmann::ordered_json one;
    one["partition"] = partition.partition.value();
    one["log_start"] = partition.log_start.value();
    one["visible_end"] = partition.visible_end.value();
    one["delayed"] = partition.delayed;
    one["bytes"] = partition.bytes;
    one["last_append_time"] = time_or_null(partition.last_append_us);
    row["partitions"].push_back(std::move(one));
  }
  row["events"] = events;
  row["bytes"] = bytes;
  return row;
}

}  // namespace

void get_topics(Admin& admin, const http::Request& request, http::Respond respond) {
  Page page;
  if (core::Error error = parse_page(request, &page)) return respond(problem(error));
  admin.with_catalog(respond, [&admin, page](core::CatalogPtr catalog, http::Respond answer) {
    std::vector<core::RequestPtr> questions;
    bool more = false;
    for (auto at = catalog->topics.upper_bound({kDefaultTenant, page.after});
         at != catalog->topics.end() && at->first.first == kDefaultTenant; ++at) {
      if (questions.size() == page.limit) {
        more = true;
        break;
      }
      auto question = std::make_unique<core::DescribeTopic>(core::Access::node(kDefaultTenant));
      question->topic = at->second;
      question->shard = at->second->shard;
      questions.push_back(std::move(question));
    }
    admin.ask(std::move(questions), [answer, more](std::vector<core::RequestPtr> answers) {
      nlohmann::ordered_json body;
      body["topics"] = nlohmann::ordered_json::array();
      for (auto& one : answers)
        body["topics"].push_back(to_json(core::as<core::DescribeTopic>(*one)));
      body["next_cursor"] = nullptr;
      if (more) body["next_cursor"] = body["topics"].back()["topic"];
      answer({200, "application/json", {}, body.dump() + "\n"});
    });
  });
}

}  // namespace headrace::admin

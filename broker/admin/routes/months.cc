// /v1/months: what the tenant has in each month.
#include "json/months.h"

#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/native/handlers/convert.h"
#include "json/json_rows.h"
#include "storage/month.h"

namespace headrace::admin {
namespace {

constexpr size_t kTopicsMax = 1'000;  // all are asked at once

void answer_months(const CallPtr& call, const std::vector<core::RequestPtr>& answers) {
  MonthSums sums;
  for (const auto& one : answers) {
    const auto& described = core::as<core::DescribeTopic>(*one);
    if (described.error.code == core::ErrorCode::unknown_topic) continue;  // deleted meanwhile
    if (described.error) return call->fail(described.error);  // a sum without it would be wrong
    proto::DescribeTopicOk message;
    native::to_proto(described, &message);
    add_months(message, &sums);
  }
  const uint32_t current = storage::month_of(call->now_us()).value();
  JsonRows rows;
  for (const auto& [month, sum] : sums) {
    rows.add([&](JsonLine* line) { month_fields(line, month, sum, current); });
  }
  std::string body;
  JsonLine line(&body);
  line.raw("months", rows.text()).end();
  call->reply(200, std::move(body));
}

}  // namespace

void get_months(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const auto& topics = call->catalog()->topics;
  const TenantId tenant = call->tenant().tenant();
  std::vector<core::RequestPtr> questions;
  for (auto at = topics.lower_bound({tenant, ""}); at != topics.end() && at->first.first == tenant;
       ++at) {
    if (call->may(at->second->name) || at->second->state != core::Topic::State::active) continue;
    auto question = std::make_unique<core::DescribeTopic>(call->tenant());
    question->topic = at->second;
    question->shard = at->second->shard;
    questions.push_back(std::move(question));
  }
  if (questions.size() > kTopicsMax) {
    return call->fail({core::ErrorCode::limit_reached,
                       std::to_string(kTopicsMax) + " topics: add up those of /v1/topics"});
  }
  call->admin().ask(std::move(questions), [call](std::vector<core::RequestPtr> answers) {
    answer_months(call, answers);
  });
}

}  // namespace headrace::admin

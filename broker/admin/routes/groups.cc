// /v1/groups: a tenant's consumer groups of both kinds; deleting them. What changes acked ones is
// in group_changes.cc.
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/group_json.h"
#include "broker/native/handlers/convert.h"
#include "json/group.h"
#include "json/json_rows.h"

namespace headrace::admin {

std::string group_json(const core::DescribeGroup& described) {
  proto::DescribeGroupOk message;
  native::to_proto(described.stats, &message);
  std::string body;
  JsonLine line(&body);
  group_fields(&line, message);
  group_details(&line, message);
  line.end();
  return body;
}

namespace {

void add_group(JsonRows* rows, const core::DescribeGroup& described) {
  rows->add([&](JsonLine* line) {
    if (described.error) {  // its shard is busy, say
      line->text("group", described.group->name)
          .text("topic", described.topic->name)
          .text("error", described.error.message());
      return;
    }
    proto::DescribeGroupOk message;
    native::to_proto(described.stats, &message);
    group_fields(line, message);
    group_details(line, message);
  });
}

void answer_groups(const CallPtr& call, const std::vector<core::RequestPtr>& answers, bool more) {
  JsonRows rows;
  std::optional<std::string> last;
  for (const auto& one : answers) {
    const auto& described = core::as<core::DescribeGroup>(*one);
    add_group(&rows, described);
    if (more) last = described.group->name;
  }
  std::string body;
  JsonLine line(&body);
  line.raw("groups", rows.text()).text_or_null("next_cursor", last);
  line.end();
  call->reply(200, std::move(body));
}

}  // namespace

void get_groups(const CallPtr& call) {
  Query query(call->request());
  const uint32_t limit = query.limit();
  const std::string after = query.text("cursor").value_or("");
  if (const core::Error error = query.finish()) return call->fail(error);
  const core::CatalogPtr& catalog = call->catalog();
  const TenantId tenant = call->tenant().tenant();
  std::vector<core::RequestPtr> questions;
  auto at = catalog->groups.upper_bound({tenant, after});
  const auto in_tenant = [&] { return at != catalog->groups.end() && at->first.first == tenant; };
  for (; in_tenant() && questions.size() < limit; ++at) {
    const auto topic = catalog->topic(tenant, at->second->topic);
    if (topic == nullptr || call->may(topic->name)) continue;
    questions.push_back(call->about<core::DescribeGroup>(at->second, topic));
  }
  const bool more = in_tenant();
  call->admin().ask(std::move(questions), [call, more](std::vector<core::RequestPtr> answers) {
    answer_groups(call, answers, more);
  });
}

void get_group(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->with_group([call](const core::GroupPtr& group, const core::TopicPtr& topic) {
    call->ask<core::DescribeGroup>(
        call->about<core::DescribeGroup>(group, topic), [call](core::DescribeGroup& described) {
          call->reply(200, group_json(described), {etag(described.group->version)});
        });
  });
}

void delete_group(const CallPtr& call) {
  call->with_group([call](const core::GroupPtr& group, const core::TopicPtr&) {
    if (const core::Error error = call->if_match(group->version)) return call->fail(error);
    auto request = std::make_unique<core::DeleteGroup>(call->tenant());
    request->shard = kMetaShard;
    request->name = group->name;
    call->ask<core::DeleteGroup>(std::move(request), [call](core::DeleteGroup& deleted) {
      std::string body;
      JsonLine(&body).text("group", deleted.name).boolean("deleted", true).end();
      call->reply(200, std::move(body));
    });
  });
}

}  // namespace headrace::admin

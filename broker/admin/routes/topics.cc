// /v1/topics: a tenant's topics with the numbers of their partitions; creating and deleting them.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/native/handlers/convert.h"
#include "json/json_rows.h"
#include "json/retention.h"
#include "json/topic.h"
namespace headrace::admin {
namespace {

std::unique_ptr<core::DescribeTopic> describe(const CallPtr& call, const core::TopicPtr& topic) {
  auto question = std::make_unique<core::DescribeTopic>(call->tenant());
  question->topic = topic;
  question->shard = topic->shard;
  return question;
}

void topic_json(JsonLine* line, const core::DescribeTopic& described) {
  proto::DescribeTopicOk message;
  native::to_proto(described, &message);
  topic_fields(line, message.topic());
  // One that is being deleted, or whose shard is busy, is listed without its numbers.
  if (described.error) {
    line->text("error", described.error.message());
  } else {
    topic_details(line, message);
  }
}

void answer_topics(const CallPtr& call, const std::vector<core::RequestPtr>& answers, bool more) {
  JsonRows rows;
  std::optional<std::string> last;
  for (const auto& one : answers) {
    const auto& described = core::as<core::DescribeTopic>(*one);
    rows.add([&](JsonLine* line) { topic_json(line, described); });
    if (more) last = described.topic->name;
  }
  std::string body;
  JsonLine line(&body);
  line.raw("topics", rows.text()).text_or_null("next_cursor", last);
  line.end();
  call->reply(200, std::move(body));
}

core::Error read_topic(const CallPtr& call, core::CreateTopic* request) {
  Body body(call->request());
  body.require("topic");
  request->name = body.text("topic").value_or("");
  const AdminOptions& options = call->admin().options();
  request->partitions = body.number("partitions").value_or(options.default_partitions);
  request->retention = options.default_retention;
  if (const auto retention = body.form("retention", kRetentionExample, parse_retention)) {
    request->retention = native::from_proto(*retention);
  }
  const auto window_ms = body.integer("dedup_window_ms", 1, INT64_MAX);
  const auto max_ids = body.number("dedup_max_ids");
  if (window_ms || max_ids) {  // either switches it on; what is left out has its default
    proto::Dedup dedup;
    dedup.set_window_ms(window_ms.value_or(0));
    dedup.set_max_ids(max_ids.value_or(0));
    request->dedup = native::from_proto(dedup);
  }
  request->if_missing = body.boolean("if_missing");
  return body.finish();
}

}  // namespace

void get_topics(const CallPtr& call) {
  Query query(call->request());
  const uint32_t limit = query.limit();
  const std::string after = query.text("cursor").value_or("");
  if (const core::Error error = query.finish()) return call->fail(error);
  const auto& topics = call->catalog()->topics;
  const TenantId tenant = call->tenant().tenant();
  std::vector<core::RequestPtr> questions;
  auto at = topics.upper_bound({tenant, after});
  const auto in_tenant = [&] { return at != topics.end() && at->first.first == tenant; };
  for (; in_tenant() && questions.size() < limit; ++at) {
    if (call->may(at->second->name)) continue;
    questions.push_back(describe(call, at->second));
  }
  const bool more = in_tenant();
  call->admin().ask(std::move(questions), [call, more](std::vector<core::RequestPtr> answers) {
    answer_topics(call, answers, more);
  });
}

void get_topic(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->with_topic(call->parameter("topic"), [call](const core::TopicPtr& topic) {
    call->ask<core::DescribeTopic>(describe(call, topic), [call](core::DescribeTopic& described) {
      std::string body;
      JsonLine line(&body);
      topic_json(&line, described);
      line.end();
      // What it was made with stays; a new one of its name has another id.
      call->reply(200, std::move(body), {etag(described.topic->id.value())});
    });
  });
}

void create_topic(const CallPtr& call) {
  auto request = std::make_unique<core::CreateTopic>(call->tenant());
  if (const core::Error error = read_topic(call, request.get())) return call->fail(error);
  if (const core::Error error = call->may(request->name)) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::CreateTopic>(std::move(request), [call](core::CreateTopic& made) {
    proto::Topic topic;
    native::to_proto(*made.topic, &topic);
    std::string body;
    JsonLine line(&body);
    topic_fields(&line, topic);
    line.boolean("created", made.created).end();
    http::Headers headers;
    if (made.created) headers.emplace_back("Location", "/v1/topics/" + made.topic->name);
    call->reply(made.created ? 201 : 200, std::move(body), std::move(headers));
  });
}

void delete_topic(const CallPtr& call) {
  auto request = std::make_unique<core::DeleteTopic>(call->tenant());
  request->shard = kMetaShard;
  request->name = call->parameter("topic");
  if (const core::Error error = call->may(request->name)) return call->fail(error);
  const auto topic = call->catalog()->topic(call->tenant().tenant(), request->name);
  const core::Error unmatched =
      topic == nullptr ? core::Error() : call->if_match(topic->id.value());
  if (unmatched) return call->fail(unmatched);
  call->ask<core::DeleteTopic>(std::move(request), [call](core::DeleteTopic& deleted) {
    std::string body;
    JsonLine(&body)
        .text("topic", deleted.name)
        .number("id", deleted.id.value())
        .boolean("deleted", true)
        .end();
    call->reply(200, std::move(body));
  });
}

}  // namespace headrace::admin

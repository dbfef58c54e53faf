// /v1/topics/{topic}/types: what happened to a topic's events, by type.
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_history.h"
#include "broker/native/handlers/convert_types.h"
#include "json/json_rows.h"
#include "json/type_stats.h"

namespace headrace::admin {

void get_types(const CallPtr& call) {
  Query query(call->request());
  proto::ListTypes message;
  message.set_from_us(query.time_us("from"));
  message.set_to_us(query.time_us("to"));
  if (const core::Error error = query.finish()) return call->fail(error);
  auto request = std::make_shared<std::unique_ptr<core::ListTypes>>(
      std::make_unique<core::ListTypes>(call->tenant()));
  if (const core::Error error = native::from_proto(message, request->get())) {
    return call->fail(error);
  }
  call->with_topic(call->parameter("topic"), [call, request](const core::TopicPtr& topic) {
    (*request)->topic = topic;
    (*request)->shard = topic->shard;
    call->ask<core::ListTypes>(std::move(*request), [call](core::ListTypes& listed) {
      JsonRows rows;
      for (const auto& row : listed.types) {
        proto::TypeStats stats;
        native::to_proto(row, &stats);
        rows.add([&](JsonLine* line) { type_fields(line, stats); });
      }
      std::string body;
      JsonLine(&body).text("topic", listed.topic->name).raw("types", rows.text()).end();
      call->reply(200, std::move(body));
    });
  });
}

}  // namespace headrace::admin

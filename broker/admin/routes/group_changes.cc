// Acked groups: create, update, enable, disable, probe. A change goes to the catalog; then the
// owner of the group describes it, which makes it load and a new group fix where it starts.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/group_json.h"
#include "broker/core/api_acked.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_groups.h"
#include "json/json_line.h"
#include "json/position.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

int64_t up_to_ms(int64_t us) {
  return us / kMicrosPerMilli + (us % kMicrosPerMilli != 0 ? 1 : 0);
}

std::optional<int64_t> duration_ms(Body* body, std::string_view name) {
  const auto us = body->form(name, kDurationExample, parse_duration_us);
  if (!us) return std::nullopt;
  return up_to_ms(*us);
}

void read_retry(Body* body, proto::RetryPolicy* retry) {
  if (const auto n = body->number("max_retries")) retry->set_max_retries(*n);
  const auto base_ms = duration_ms(body, "retry_base");
  if (base_ms) retry->set_base_ms(*base_ms);
  const auto factor = body->real("retry_factor");
  if (factor) retry->set_factor(*factor);
  if (const auto cap_ms = duration_ms(body, "retry_cap")) retry->set_cap_ms(*cap_ms);
  if (const auto jitter = body->real("retry_jitter")) retry->set_jitter(*jitter);
  const auto delays = body->texts("retry_delays");
  // A formula that is changed shall count: an explicit list stands above it.
  if (base_ms || factor || delays) retry->clear_delays_ms();
  if (!delays) return;
  for (size_t i = 0; i < delays->size(); ++i) {
    const auto delay_us = parse_duration_us((*delays)[i]);
    if (delay_us) {
      retry->add_delays_ms(up_to_ms(*delay_us));
    } else {
      body->wrong("retry_delays[" + std::to_string(i) + "]",
                  "is not " + std::string(kDurationExample));
    }
  }
}

// Puts what is given over `options`; the names are those that a group's JSON has. What the core
// knows better (ranges, words, patterns) it checks itself.
void read_options(Body body, proto::GroupOptions* options) {
  if (const auto filters = body.texts("filters")) {
    options->mutable_filters()->Assign(filters->begin(), filters->end());
  }
  if (const auto conditions = body.texts("conditions")) {
    options->mutable_conditions()->Assign(conditions->begin(), conditions->end());
  }
  if (const auto priority = body.number("priority")) options->set_priority(*priority);
  if (const auto ms = duration_ms(&body, "ack_deadline")) options->set_ack_deadline_ms(*ms);
  if (const auto most = body.number("max_in_flight")) options->set_max_in_flight(*most);
  read_retry(&body, options->mutable_retry());
  if (const auto ms = duration_ms(&body, "cooldown")) options->set_cooldown_ms(*ms);
  if (const auto entries = body.number("dlq_entries")) options->set_dlq_entries(*entries);
  if (const auto bytes = body.integer("dlq_bytes", 1, INT64_MAX)) options->set_dlq_bytes(*bytes);
  if (const auto word = body.text("dlq_overflow")) options->set_dlq_overflow(*word);
  if (const auto word = body.text("ordering")) options->set_ordering(*word);
  if (const auto from = body.form("from", kPositionExample, parse_position)) {
    *options->mutable_from() = *from;
  }
  if (const auto least = body.integer("schema_from", 0, INT32_MAX)) {
    options->set_schema_from(static_cast<int32_t>(*least));
  }
  if (const auto most = body.integer("schema_to", 0, INT32_MAX)) {
    options->set_schema_to(static_cast<int32_t>(*most));
  }
  if (const auto word = body.text("keep_attempts")) options->set_keep_attempts(*word);
  if (const auto word = body.text("version_mismatch")) options->set_version_mismatch(*word);
}

// All that the core finds wrong with these requests is in the options.
void name_options(const CallPtr& call) {
  call->name_fields({{"retry.max_retries", "options.max_retries"},
                     {"retry.", "options.retry_"},
                     {"patterns", "options.filters"},
                     {"", "options."}});
}

void answer_described(const CallPtr& call, const core::GroupPtr& group, const core::TopicPtr& topic,
                      int status) {
  call->ask<core::DescribeGroup>(
      call->about<core::DescribeGroup>(group, topic), [call, status](core::DescribeGroup& of) {
        http::Headers headers = {etag(of.group->version)};
        if (status == 201) headers.emplace_back("Location", "/v1/groups/" + of.group->name);
        call->reply(status, group_json(of), std::move(headers));
      });
}

void set_state(const CallPtr& call, core::SetGroupState::Action action) {
  Body body(call->request());
  const std::string reason = body.text("reason").value_or("");
  if (reason.size() > limits::kErrorTextMax) {
    body.wrong("reason", "at most " + std::to_string(limits::kErrorTextMax) + " bytes");
  }
  if (const core::Error error = body.finish()) return call->fail(error);
  call->with_acked_group(
      [call, action, reason](const core::GroupPtr& group, const core::TopicPtr& topic) {
        auto request = call->about<core::SetGroupState>(group, topic);
        request->action = action;
        request->reason = reason;
        call->ask<core::SetGroupState>(std::move(request), [call](core::SetGroupState& done) {
          std::string answer;
          JsonLine(&answer)
              .text("group", done.group->name)
              .text("state", core::to_string(done.state))
              .end();
          call->reply(200, std::move(answer));
        });
      });
}

}  // namespace

void create_group(const CallPtr& call) {
  Body body(call->request());
  body.require("group");
  body.require("topic");
  const std::string name = body.text("group").value_or("");
  const std::string topic_name = body.text("topic").value_or("");
  const bool if_missing = body.boolean("if_missing");
  proto::GroupOptions options;
  read_options(body.object("options"), &options);
  if (const core::Error error = body.finish()) return call->fail(error);
  if (const core::Error error = core::check_name("group", name)) return call->fail(error);
  name_options(call);
  call->with_topic(topic_name, [call, name, if_missing, options](const core::TopicPtr& topic) {
    auto request = std::make_unique<core::CreateGroup>(call->tenant());
    const core::Error error = native::from_proto(options, &request->options);
    if (error) return call->refuse(error);
    request->shard = kMetaShard;
    request->name = name;
    request->topic = topic;
    request->if_missing = if_missing;
    call->ask<core::CreateGroup>(std::move(request), [call](core::CreateGroup& made) {
      answer_described(call, made.group, made.topic, made.created ? 201 : 200);
    });
  });
}

void update_group(const CallPtr& call) {
  auto body = std::make_shared<Body>(call->request());
  const auto version = body->integer("version", 1, INT64_MAX);
  proto::GroupOptions checked;
  read_options(body->object("options"), &checked);
  if (const core::Error error = body->finish()) return call->fail(error);
  name_options(call);
  call->with_acked_group(
      [call, body, version](const core::GroupPtr& group, const core::TopicPtr& topic) {
        if (const core::Error error = call->if_match(group->version)) return call->fail(error);
        // What is not given stays; the version makes sure that nobody changed it in between.
        proto::GroupOptions options;
        native::to_proto(group->options, &options);
        read_options(body->object("options"), &options);
        auto request = std::make_unique<core::UpdateGroup>(call->tenant());
        request->options.from = group->options.from;
        const core::Error error = native::from_proto(options, &request->options);
        if (error) return call->refuse(error);
        request->shard = kMetaShard;
        request->name = group->name;
        request->if_version =
            static_cast<uint64_t>(version.value_or(static_cast<int64_t>(group->version)));
        call->ask<core::UpdateGroup>(std::move(request), [call, topic](core::UpdateGroup& changed) {
          answer_described(call, changed.group, topic, 200);
        });
      });
}

void enable_group(const CallPtr& call) {
  set_state(call, core::SetGroupState::Action::enable);
}

void disable_group(const CallPtr& call) {
  set_state(call, core::SetGroupState::Action::disable);
}

void probe_group(const CallPtr& call) {
  set_state(call, core::SetGroupState::Action::probe);
}

}  // namespace headrace::admin

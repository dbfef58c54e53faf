// Jobs of an acked group: replay and redrive, /v1/groups/{group}/jobs and what controls them.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/job_json.h"
#include "broker/core/api_jobs.h"
#include "broker/native/handlers/convert_jobs.h"
#include "json/job.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"

namespace headrace::admin {

void job_json(JsonLine* line, const core::GroupRecord& group, const core::JobStats& job) {
  proto::Job message;
  native::to_proto(group, job, &message);
  job_fields(line, message);
}

namespace {

void answer(const CallPtr& call, int status, const core::GroupRecord& group,
            const core::JobStats& job) {
  std::string body;
  JsonLine line(&body);
  job_json(&line, group, job);
  line.end();
  call->reply(status, std::move(body));
}

// The lane of the path's {job}: the number in the job's id, GROUP/NUMBER.
bool lane_of(const CallPtr& call, LaneId* lane) {
  const std::string id = call->parameter("group") + "/" + call->parameter("job");
  std::string group;
  if (native::parse_job_id(id, &group, lane)) return true;
  call->fail({core::ErrorCode::invalid_request,
              "job: '" + call->parameter("job") + "' is not the number of a job"});
  return false;
}

template <class Message>
void start(const CallPtr& call, const Message& message) {
  call->with_acked_group([call, message](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::StartJob>(group, topic);
    if (core::Error error = native::from_proto(message, request.get())) return call->refuse(error);
    call->ask<core::StartJob>(std::move(request), [call](core::StartJob& started) {
      answer(call, 201, *started.group, started.job);
    });
  });
}

void control(const CallPtr& call, core::ControlJob::Action action) {
  LaneId lane;
  const core::Error error = Body(call->request()).finish();
  if (error) return call->fail(error);
  if (!lane_of(call, &lane)) return;
  call->with_acked_group([=](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::ControlJob>(group, topic);
    request->lane = lane;
    request->action = action;
    call->ask<core::ControlJob>(std::move(request), [call](core::ControlJob& done) {
      answer(call, 200, *done.group, done.job);
    });
  });
}

template <class Texts>
void add_texts(const std::optional<std::vector<std::string>>& given, Texts* texts) {
  if (given) texts->Assign(given->begin(), given->end());
}

}  // namespace

void get_jobs(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->with_acked_group([call](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::ListJobs>(group, topic);
    call->ask<core::ListJobs>(std::move(request), [call](core::ListJobs& listed) {
      JsonRows rows;
      for (const auto& job : listed.jobs) {
        rows.add([&](JsonLine* line) { job_json(line, *listed.group, job); });
      }
      std::string body;
      JsonLine line(&body);
      line.raw("jobs", rows.text()).end();
      call->reply(200, std::move(body));
    });
  });
}

void get_job(const CallPtr& call) {
  LaneId lane;
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  if (!lane_of(call, &lane)) return;
  call->with_acked_group([call, lane](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::ListJobs>(group, topic);
    request->only = lane;
    call->ask<core::ListJobs>(std::move(request), [call](core::ListJobs& listed) {
      answer(call, 200, *listed.group, listed.jobs.front());
    });
  });
}

void start_replay(const CallPtr& call) {
  Body body(call->request());
  proto::StartReplay message;
  message.set_group(call->parameter("group"));
  constexpr std::string_view kTimeExample = "an RFC 3339 time";
  if (const auto from_us = body.form("from", kTimeExample, parse_time_us)) {
    message.set_from_us(*from_us);
  }
  if (const auto to_us = body.form("to", kTimeExample, parse_time_us)) message.set_to_us(*to_us);
  if (const auto partition = body.number("partition")) message.set_partition(*partition);
  if (const auto first = body.integer("from_offset", 0, INT64_MAX)) {
    message.set_from_offset(*first);
  }
  if (const auto last = body.integer("to_offset", 0, INT64_MAX - 1)) message.set_to_offset(*last);
  add_texts(body.texts("filters"), message.mutable_filters());
  add_texts(body.texts("where"), message.mutable_conditions());
  message.set_rate(body.real("rate").value_or(0));
  message.set_dry_run(body.boolean("dry_run"));
  if (const core::Error error = body.finish()) return call->fail(error);
  call->name_fields({{"conditions", "where"}, {"patterns", "filters"}});
  start(call, message);
}

void redrive(const CallPtr& call) {
  Body body(call->request());
  proto::Redrive message;
  message.set_group(call->parameter("group"));
  add_texts(body.texts("ids"), message.mutable_ids());
  add_texts(body.texts("where"), message.mutable_conditions());
  message.set_all(body.boolean("all"));
  message.set_rate(body.real("rate").value_or(0));
  message.set_dry_run(body.boolean("dry_run"));
  if (const core::Error error = body.finish()) return call->fail(error);
  call->name_fields(
      {{"conditions", "where"},
       {"ids: either ids, or conditions, or all", "ids: either ids, or where, or all"}});
  start(call, message);
}

void pause_job(const CallPtr& call) {
  control(call, core::ControlJob::Action::pause);
}

void resume_job(const CallPtr& call) {
  control(call, core::ControlJob::Action::resume);
}

void cancel_job(const CallPtr& call) {
  control(call, core::ControlJob::Action::cancel);
}

}  // namespace headrace::admin

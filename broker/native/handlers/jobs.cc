// start_replay, redrive, list_jobs, get_job, control_job.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_jobs.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

template <class Request>
std::unique_ptr<Request> job_request(Session& session, const FoundGroup& found) {
  auto request = std::make_unique<Request>(session.tenant());
  request->group = found.group;
  request->topic = found.topic;
  request->shard = found.topic->shard;
  return request;
}

template <class Ok, class Message>
void start(Session& session, const net::native::FrameHeader& header, const Message& message) {
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  auto request = job_request<core::StartJob>(session, *found);
  if (core::Error error = from_proto(message, request.get())) return session.fail(header, error);
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    const auto& started = core::as<core::StartJob>(*reply);
    if (started.error) return to.fail(header, started.error);
    Ok ok;
    to_proto(*started.group, started.job, ok.mutable_job());
    to.reply(header, ok);
  });
}

// The group of a job's id; nullopt after answering.
std::optional<FoundGroup> find_job(Session& session, const net::native::FrameHeader& header,
                                   const std::string& id, LaneId* lane) {
  std::string group;
  if (!parse_job_id(id, &group, lane)) {
    session.fail(header,
                 {core::ErrorCode::invalid_request, "id: '" + id + "' is not GROUP/NUMBER"});
    return std::nullopt;
  }
  return find_group(session, header, group, core::GroupRecord::Kind::acked);
}

std::optional<core::ControlJob::Action> job_action_of(const std::string& word) {
  using Action = core::ControlJob::Action;
  if (word == "pause") return Action::pause;
  if (word == "resume") return Action::resume;
  if (word == "cancel") return Action::cancel;
  return std::nullopt;
}

// What is still missing of a list that several groups answer.
struct JobsGathering {
  proto::ListJobsOk ok;
  size_t missing = 0;
};

void add_jobs(const core::ListJobs& listed, proto::ListJobsOk* ok) {
  for (const auto& job : listed.jobs) to_proto(*listed.group, job, ok->add_jobs());
}

}  // namespace

void handle_start_replay(Session& session, net::native::Frame&& frame) {
  proto::StartReplay message;
  if (!session.parse(frame, &message)) return;
  start<proto::StartReplayOk>(session, frame.header, message);
}

void handle_redrive(Session& session, net::native::Frame&& frame) {
  proto::Redrive message;
  if (!session.parse(frame, &message)) return;
  start<proto::RedriveOk>(session, frame.header, message);
}

void handle_list_jobs(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListJobs message;
  if (!session.parse(frame, &message)) return;
  std::vector<std::unique_ptr<core::ListJobs>> questions;
  if (!message.group().empty()) {
    const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
    if (!found) return;
    questions.push_back(job_request<core::ListJobs>(session, *found));
  } else {
    const auto catalog = session.reactor().catalog();
    for (const auto& [name, group] : catalog->groups) {
      if (name.first != session.tenant().tenant()) continue;
      if (group->kind != core::GroupRecord::Kind::acked) continue;
      auto topic = catalog->topic(group->tenant, group->topic);
      if (topic == nullptr || topic->state != core::Topic::State::active) continue;
      if (session.may(topic->name)) continue;
      questions.push_back(job_request<core::ListJobs>(session, {group, topic}));
    }
  }
  auto gathering = std::make_shared<JobsGathering>();
  gathering->missing = questions.size();
  const bool one = !message.group().empty();
  if (questions.empty()) return session.reply(header, gathering->ok);
  for (auto& question : questions) {
    session.ask(std::move(question), 0,
                [header, gathering, one](Session& to, core::RequestPtr reply) {
                  if (reply->error && one) return to.fail(header, reply->error);
                  // A group that went away meanwhile is simply not in the list.
                  if (!reply->error) add_jobs(core::as<core::ListJobs>(*reply), &gathering->ok);
                  if (--gathering->missing == 0) to.reply(header, gathering->ok);
                });
  }
}

void handle_get_job(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::GetJob message;
  if (!session.parse(frame, &message)) return;
  LaneId lane;
  const auto found = find_job(session, header, message.id(), &lane);
  if (!found) return;
  auto request = job_request<core::ListJobs>(session, *found);
  request->only = lane;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    const auto& listed = core::as<core::ListJobs>(*reply);
    if (listed.error) return to.fail(header, listed.error);
    proto::GetJobOk ok;
    to_proto(*listed.group, listed.jobs.front(), ok.mutable_job());
    to.reply(header, ok);
  });
}

void handle_control_job(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ControlJob message;
  if (!session.parse(frame, &message)) return;
  LaneId lane;
  const auto found = find_job(session, header, message.id(), &lane);
  if (!found) return;
  const auto action = job_action_of(message.action());
  if (!action) {
    return session.fail(header,
                        {core::ErrorCode::invalid_request,
                         "action: pause, resume or cancel, got '" + message.action() + "'"});
  }
  auto request = job_request<core::ControlJob>(session, *found);
  request->lane = lane;
  request->action = *action;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    const auto& done = core::as<core::ControlJob>(*reply);
    if (done.error) return to.fail(header, done.error);
    proto::ControlJobOk ok;
    to_proto(*done.group, done.job, ok.mutable_job());
    to.reply(header, ok);
  });
}

}  // namespace headrace::native

#include "client/admin.h"

namespace headrace::client {

using net::native::MessageType;

Result<proto::MetadataOk> metadata(Client& client, const std::vector<std::string>& topics) {
  proto::Metadata request;
  for (const std::string& topic : topics) request.add_topics(topic);
  return client.call<proto::MetadataOk>(MessageType::metadata, request, repeatable());
}

Result<proto::Topic> find_topic(Client& client, const std::string& name) {
  const Result<proto::MetadataOk> found = metadata(client, {name});
  if (!found.ok()) return found.error;
  for (const proto::Topic& topic : found->topics()) {
    if (topic.name() == name) return topic;
  }
  return Error{kErrorUnknownTopic, "unknown_topic", "no such topic: " + name, false, 0};
}

Result<proto::CreateTopicOk> create_topic(Client& client, const proto::CreateTopic& request) {
  CallOptions options;
  options.repeatable = request.if_missing();
  return client.call<proto::CreateTopicOk>(MessageType::create_topic, request, options);
}

Result<proto::DescribeTopicOk> describe_topic(Client& client, const std::string& name) {
  proto::DescribeTopic request;
  request.set_name(name);
  return client.call<proto::DescribeTopicOk>(MessageType::describe_topic, request, repeatable());
}

Result<proto::DeleteTopicOk> delete_topic(Client& client, const std::string& name) {
  proto::DeleteTopic request;
  request.set_name(name);
  return client.call<proto::DeleteTopicOk>(MessageType::delete_topic, request);
}

Result<proto::ListOffsetsOk> list_offsets(Client& client, const std::string& topic,
                                          uint32_t partition, const proto::Position& at) {
  proto::ListOffsets request;
  request.set_topic(topic);
  request.set_partition(partition);
  *request.mutable_at() = at;
  return client.call<proto::ListOffsetsOk>(MessageType::list_offsets, request, repeatable());
}

Result<proto::FetchOk> fetch(Client& client, const proto::Fetch& request, SharedBytes* batches) {
  return client.call<proto::FetchOk>(MessageType::fetch, request, repeatable(), batches);
}

Result<proto::ListEventsOk> list_events(Client& client, const proto::ListEvents& request,
                                        SharedBytes* values) {
  return client.call<proto::ListEventsOk>(MessageType::list_events, request, repeatable(), values);
}

Result<proto::ExplainEventOk> explain_event(Client& client, const proto::ExplainEvent& request) {
  return client.call<proto::ExplainEventOk>(MessageType::explain_event, request, repeatable());
}

Result<proto::ListTypesOk> list_types(Client& client, const proto::ListTypes& request) {
  return client.call<proto::ListTypesOk>(MessageType::list_types, request, repeatable());
}

Result<proto::ReadAuditOk> read_audit(Client& client, const proto::ReadAudit& request) {
  return client.call<proto::ReadAuditOk>(MessageType::read_audit, request, repeatable());
}

Result<proto::ListGroupsOk> list_groups(Client& client) {
  return client.call<proto::ListGroupsOk>(MessageType::list_groups, proto::ListGroups{},
                                          repeatable());
}

Result<proto::DescribeGroupOk> describe_group(Client& client, const std::string& group) {
  proto::DescribeGroup request;
  request.set_group(group);
  return client.call<proto::DescribeGroupOk>(MessageType::describe_group, request, repeatable());
}

Result<proto::CreateGroupOk> create_group(Client& client, const proto::CreateGroup& request) {
  CallOptions options;
  options.repeatable = request.if_missing();
  return client.call<proto::CreateGroupOk>(MessageType::create_group, request, options);
}

Result<proto::UpdateGroupOk> update_group(Client& client, const proto::UpdateGroup& request) {
  return client.call<proto::UpdateGroupOk>(MessageType::update_group, request);
}

Result<proto::SetGroupStateOk> set_group_state(Client& client, const std::string& group,
                                               const std::string& action,
                                               const std::string& reason) {
  proto::SetGroupState request;
  request.set_group(group);
  request.set_action(action);
  request.set_reason(reason);
  return client.call<proto::SetGroupStateOk>(MessageType::set_group_state, request);
}

Result<proto::ListDeadLettersOk> list_dead_letters(Client& client,
                                                   const proto::ListDeadLetters& request,
                                                   SharedBytes* values) {
  return client.call<proto::ListDeadLettersOk>(MessageType::list_dead_letters, request,
                                               repeatable(), values);
}

Result<proto::GetDeadLetterOk> get_dead_letter(Client& client, const std::string& id,
                                               SharedBytes* value) {
  proto::GetDeadLetter request;
  request.set_id(id);
  return client.call<proto::GetDeadLetterOk>(MessageType::get_dead_letter, request, repeatable(),
                                             value);
}

Result<proto::DeleteDeadLettersOk> delete_dead_letters(Client& client,
                                                       const proto::DeleteDeadLetters& request) {
  return client.call<proto::DeleteDeadLettersOk>(MessageType::delete_dead_letters, request);
}

Result<proto::StartReplayOk> start_replay(Client& client, const proto::StartReplay& request) {
  return client.call<proto::StartReplayOk>(MessageType::start_replay, request);
}

Result<proto::RedriveOk> redrive(Client& client, const proto::Redrive& request) {
  return client.call<proto::RedriveOk>(MessageType::redrive, request);
}

Result<proto::ListJobsOk> list_jobs(Client& client, const std::string& group) {
  proto::ListJobs request;
  request.set_group(group);
  return client.call<proto::ListJobsOk>(MessageType::list_jobs, request, repeatable());
}

Result<proto::GetJobOk> get_job(Client& client, const std::string& id) {
  proto::GetJob request;
  request.set_id(id);
  return client.call<proto::GetJobOk>(MessageType::get_job, request, repeatable());
}

Result<proto::ControlJobOk> control_job(Client& client, const std::string& id,
                                        const std::string& action) {
  proto::ControlJob request;
  request.set_id(id);
  request.set_action(action);
  return client.call<proto::ControlJobOk>(MessageType::control_job, request, repeatable());
}

Result<proto::DeleteGroupOk> delete_group(Client& client, const std::string& group) {
  proto::DeleteGroup request;
  request.set_group(group);
  return client.call<proto::DeleteGroupOk>(MessageType::delete_group, request);
}

Result<proto::CommitOffsetsOk> commit_offsets(Client& client, const proto::CommitOffsets& request) {
  return client.call<proto::CommitOffsetsOk>(MessageType::commit_offsets, request, repeatable());
}

Result<proto::InitProducerOk> init_producer(Client& client) {
  return client.call<proto::InitProducerOk>(MessageType::init_producer, proto::InitProducer{},
                                            repeatable());
}

Result<proto::PublishOk> publish(Client& client, const proto::Publish& request,
                                 SharedBytes payload) {
  CallOptions options;
  options.repeatable = request.has_producer_id();
  options.payload = std::move(payload);
  return client.call<proto::PublishOk>(MessageType::publish, request, std::move(options));
}

Result<proto::CancelDelayedOk> cancel_delayed(Client& client, const std::string& topic,
                                              const std::string& id) {
  proto::CancelDelayed request;
  request.set_topic(topic);
  request.set_id(id);
  return client.call<proto::CancelDelayedOk>(MessageType::cancel_delayed, request);
}

Result<proto::ListDelayedOk> list_delayed(Client& client, const proto::ListDelayed& request) {
  return client.call<proto::ListDelayedOk>(MessageType::list_delayed, request, repeatable());
}

}  // namespace headrace::client

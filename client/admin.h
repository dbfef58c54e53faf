// The broker's administrative calls: blocking, for any thread but the client's own. Reads are sent
// again after a broken connection; changes are not, unless repeating them is harmless.
#pragma once

#include <string>
#include <vector>

#include "client/client.h"

namespace headrace::client {

Result<proto::MetadataOk> metadata(Client& client, const std::vector<std::string>& topics = {});
// The one topic; unknown_topic if there is none.
Result<proto::Topic> find_topic(Client& client, const std::string& name);
Result<proto::CreateTopicOk> create_topic(Client& client, const proto::CreateTopic& request);
Result<proto::DescribeTopicOk> describe_topic(Client& client, const std::string& name);
Result<proto::DeleteTopicOk> delete_topic(Client& client, const std::string& name);
Result<proto::ListOffsetsOk> list_offsets(Client& client, const std::string& topic,
                                          uint32_t partition, const proto::Position& at);

// `batches`: the batches' bytes, one after the other.
Result<proto::FetchOk> fetch(Client& client, const proto::Fetch& request, SharedBytes* batches);
// `values`: the events' values, one after the other.
Result<proto::ListEventsOk> list_events(Client& client, const proto::ListEvents& request,
                                        SharedBytes* values);

// What a group did, does or will do with one event; one answer: see its cursor.
Result<proto::ExplainEventOk> explain_event(Client& client, const proto::ExplainEvent& request);

// Counts of the topic's events by type, in the last 24 hours or as the request says.
Result<proto::ListTypesOk> list_types(Client& client, const proto::ListTypes& request);
// A page of the tenant's audit trail in one shard.
Result<proto::ReadAuditOk> read_audit(Client& client, const proto::ReadAudit& request);

Result<proto::ListGroupsOk> list_groups(Client& client);
Result<proto::DescribeGroupOk> describe_group(Client& client, const std::string& group);
// Acked groups. Declaring one (if_missing) is for every start of a program.
Result<proto::CreateGroupOk> create_group(Client& client, const proto::CreateGroup& request);
Result<proto::UpdateGroupOk> update_group(Client& client, const proto::UpdateGroup& request);
// `action`: enable, disable, probe.
Result<proto::SetGroupStateOk> set_group_state(Client& client, const std::string& group,
                                               const std::string& action,
                                               const std::string& reason);
// `values`: the events' values, one after the other.
Result<proto::ListDeadLettersOk> list_dead_letters(Client& client,
                                                   const proto::ListDeadLetters& request,
                                                   SharedBytes* values);
Result<proto::GetDeadLetterOk> get_dead_letter(Client& client, const std::string& id,
                                               SharedBytes* value);
Result<proto::DeleteDeadLettersOk> delete_dead_letters(Client& client,
                                                       const proto::DeleteDeadLetters& request);
// Jobs. A job's id is GROUP/NUMBER; `action`: pause, resume, cancel.
Result<proto::StartReplayOk> start_replay(Client& client, const proto::StartReplay& request);
Result<proto::RedriveOk> redrive(Client& client, const proto::Redrive& request);
Result<proto::ListJobsOk> list_jobs(Client& client, const std::string& group);  // empty: of all
Result<proto::GetJobOk> get_job(Client& client, const std::string& id);
Result<proto::ControlJobOk> control_job(Client& client, const std::string& id,
                                        const std::string& action);
Result<proto::DeleteGroupOk> delete_group(Client& client, const std::string& group);
Result<proto::CommitOffsetsOk> commit_offsets(Client& client, const proto::CommitOffsets& request);

Result<proto::InitProducerOk> init_producer(Client& client);
// `payload`: the events' values, one after the other. Sent again after a broken connection only if
// the request has a producer id (the broker then recognises the repetition).
Result<proto::PublishOk> publish(Client& client, const proto::Publish& request,
                                 SharedBytes payload);
// Delayed events. Cancelling is not sent again: a second time it would find nothing.
Result<proto::CancelDelayedOk> cancel_delayed(Client& client, const std::string& topic,
                                              const std::string& id);
Result<proto::ListDelayedOk> list_delayed(Client& client, const proto::ListDelayed& request);

// Codes of the broker's error table that client code decides by (docs/protocol.md).
constexpr uint32_t kErrorOutOfOrderSequence = 30;
constexpr uint32_t kErrorUnknownProducer = 33;
constexpr uint32_t kErrorUnknownTopic = 40;
constexpr uint32_t kErrorUnknownGroup = 42;
constexpr uint32_t kErrorUnknownMember = 43;
constexpr uint32_t kErrorOffsetOutOfRange = 47;
constexpr uint32_t kErrorStaleGeneration = 48;
constexpr uint32_t kErrorStaleDelivery = 55;
constexpr uint32_t kErrorOutcomeUnknown = 64;

}  // namespace headrace::client

// Between the protocol's messages and the core's requests: what several handlers need.
#pragma once

#include <memory>
#include <string>

#include "broker/core/api.h"
#include "headrace.pb.h"

namespace headrace::native {

proto::Durability to_proto(Durability durability);
// nullopt for a number the protocol does not know.
std::optional<Durability> from_proto(proto::Durability durability);

core::Position from_proto(const proto::Position& position);
core::Retention from_proto(const proto::Retention& retention);
core::Dedup from_proto(const proto::Dedup& dedup);
void to_proto(const core::Topic& topic, proto::Topic* message);
void to_proto(const core::DescribeTopic& described, proto::DescribeTopicOk* message);
void to_proto(const core::GroupStats& stats, proto::DescribeGroupOk* message);
// What a list was asked for, 0: the default. invalid_request above the most.
core::Error from_proto_page_size(uint32_t asked, uint32_t* page_size);
core::Error from_batch(storage::BatchError error);

// Partition of a key: FNV-1a 64 over its bytes, modulo the number of partitions. Clients that build
// batches use the same, so that a key stays in its lane whoever publishes.
PartitionId partition_of_key(std::string_view key, uint32_t partitions);

// The computed id of an event that has none: its coordinates, and the epoch once offsets of an
// earlier one may have been given out and lost.
std::string default_event_id(TopicId topic, PartitionId partition, Offset offset, Epoch epoch);

}  // namespace headrace::native

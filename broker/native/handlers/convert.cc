#include "broker/native/handlers/convert.h"

#include "broker/limits.h"
#include "broker/native/handlers/convert_groups.h"

namespace headrace::native {

proto::Durability to_proto(Durability durability) {
  switch (durability) {
    case Durability::memory:
      return proto::MEMORY;
    case Durability::written:
      return proto::WRITTEN;
    case Durability::durable:
      return proto::DURABLE;
  }
  HR_UNREACHABLE("durability");
}

std::optional<Durability> from_proto(proto::Durability durability) {
  switch (durability) {
    case proto::MEMORY:
      return Durability::memory;
    case proto::WRITTEN:
      return Durability::written;
    case proto::DURABLE:
      return Durability::durable;
    default:
      return std::nullopt;
  }
}

core::Position from_proto(const proto::Position& position) {
  switch (position.at_case()) {
    case proto::Position::kLatest:
      return core::Latest{};
    case proto::Position::kOffset:
      return Offset(position.offset());
    case proto::Position::kTimeUs:
      return core::AppendedAt(position.time_us());
    default:
      return core::Earliest{};
  }
}

core::Retention from_proto(const proto::Retention& retention) {
  core::Retention out;
  if (retention.has_age_ms()) {
    // Longer than any clock: no limit in practice, but no overflow either.
    constexpr int64_t kLongestMs = INT64_MAX / kMicrosPerMilli / 4;
    out.age_us = std::min(retention.age_ms(), kLongestMs) * kMicrosPerMilli;
  }
  if (retention.has_bytes()) out.bytes = retention.bytes();
  if (retention.has_events()) out.events = retention.events();
  if (retention.has_months()) {
    out.months = std::min(retention.months(), limits::kRetentionMonthsMax);
  }
  return out;
}

// Switched on: what is left out has its default. Values out of range are the catalog's to refuse.
core::Dedup from_proto(const proto::Dedup& dedup) {
  constexpr int64_t kLongestMs = INT64_MAX / kMicrosPerMilli / 4;
  core::Dedup out{limits::kDedupWindowUsDefault, limits::kDedupIdsDefault};
  if (dedup.window_ms() != 0) {
    out.window_us = std::clamp<int64_t>(dedup.window_ms(), -1, kLongestMs) * kMicrosPerMilli;
  }
  if (dedup.max_ids() != 0) out.max_ids = dedup.max_ids();
  return out;
}

void to_proto(const core::Topic& topic, proto::Topic* message) {
  message->set_name(topic.name);
  message->set_id(topic.id.value());
  message->set_partitions(topic.partitions);
  message->set_state(topic.state == core::Topic::State::active ? "active" : "deleting");
  if (topic.dedup.window_us > 0) {
    message->mutable_dedup()->set_window_ms(topic.dedup.window_us / kMicrosPerMilli);
    message->mutable_dedup()->set_max_ids(topic.dedup.max_ids);
  }
  auto* retention = message->mutable_retention();
  if (topic.retention.age_us) retention->set_age_ms(*topic.retention.age_us / kMicrosPerMilli);
  if (topic.retention.bytes) retention->set_bytes(*topic.retention.bytes);
  if (topic.retention.events) retention->set_events(*topic.retention.events);
  if (topic.retention.months) retention->set_months(*topic.retention.months);
}

void to_proto(const core::DescribeTopic& described, proto::DescribeTopicOk* message) {
  to_proto(*described.topic, message->mutable_topic());
  for (const auto& partition : described.partitions) {
    auto* row = message->add_partitions();
    row->set_partition(partition.partition.value());
    row->set_log_start(partition.log_start.value());
    row->set_visible_end(partition.visible_end.value());
    row->set_delayed(partition.delayed);
    row->set_bytes(partition.bytes);
    row->set_first_append_time_us(partition.first_append_us);
    row->set_last_append_time_us(partition.last_append_us);
    for (const auto& month : partition.months) {
      auto* numbers = row->add_months();
      numbers->set_month(month.month.value());
      numbers->set_first_offset(month.first_offset.value());
      numbers->set_bytes(month.bytes);
      numbers->set_events(month.events);
    }
  }
}

void to_proto(const core::GroupStats& stats, proto::DescribeGroupOk* message) {
  message->set_group(stats.group->name);
  message->set_kind("positional");
  message->set_topic(stats.topic->name);
  message->set_state("healthy");  // nothing is delivered to it that could fail
  message->set_membership(stats.members.empty() ? "empty" : "active");
  message->set_generation(stats.generation);
  message->set_lag_events(stats.lag_events);
  message->set_lag_seconds(stats.lag_seconds);
  for (const auto& member : stats.members) {
    auto* row = message->add_members();
    row->set_member(member.member);
    row->set_client(member.client);
    for (PartitionId partition : member.partitions) row->add_partitions(partition.value());
  }
  for (const auto& partition : stats.partitions) {
    auto* row = message->add_partitions();
    row->set_partition(partition.partition.value());
    row->set_committed(partition.committed.value());
    row->set_visible_end(partition.visible_end.value());
    row->set_lag_events(partition.lag_events);
    row->set_lag_seconds(partition.lag_seconds);
  }
  if (stats.acked) add_acked(*stats.group, *stats.acked, message);
}

core::Error from_proto_page_size(uint32_t asked, uint32_t* page_size) {
  *page_size = asked == 0 ? limits::kPageSizeDefault : asked;
  if (asked <= limits::kPageSizeMax) return {};
  return {core::ErrorCode::invalid_request,
          "page_size: at most " + std::to_string(limits::kPageSizeMax)};
}

core::Error from_batch(storage::BatchError error) {
  using storage::BatchError;
  switch (error) {
    case BatchError::ok:
      return {};
    case BatchError::bad_crc:
      return core::Error(core::ErrorCode::corrupt_batch);
    case BatchError::reserved_header:
      return core::Error(core::ErrorCode::reserved_header);
    default:
      return core::Error(core::ErrorCode::invalid_batch, std::string(storage::to_string(error)));
  }
}

PartitionId partition_of_key(std::string_view key, uint32_t partitions) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return PartitionId(static_cast<uint32_t>(hash % partitions));
}

std::string default_event_id(TopicId topic, PartitionId partition, Offset offset, Epoch epoch) {
  std::string id = "t" + std::to_string(topic.value()) + "-" + std::to_string(partition.value()) +
                   "-" + std::to_string(offset.value());
  if (epoch.value() > 1) id += "@" + std::to_string(epoch.value());
  return id;
}

}  // namespace headrace::native

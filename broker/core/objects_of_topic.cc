// What a shard does with a whole topic (removing all of it), and what it tells of all topics.
#include "broker/core/cast.h"
#include "broker/core/objects.h"

namespace headrace::core {

void ShardObjects::purge_topic(std::unique_ptr<PurgeTopic> typed) {
  RequestPtr request = std::move(typed);
  auto& purge = as<PurgeTopic>(*request);
  const TopicPtr topic = purge.topic;
  for (uint32_t i = 0; i < topic->partitions; ++i) {
    auto known = partitions_.find(topic->partition(PartitionId(i)));
    if (known != partitions_.end() && known->second->state() == Partition::State::closed) continue;
    if (ready_partition(topic, PartitionId(i), request) == nullptr) return;
  }
  for (uint32_t i = 0; i < topic->partitions; ++i) {
    auto& partition = partitions_.at(topic->partition(PartitionId(i)));
    if (partition->state() == Partition::State::closed) continue;
    const PartitionStats stats = partition->stats();
    purge.events += stats.visible_end.value() - stats.log_start.value();
    purge.bytes += stats.bytes;
    partition->purge();
  }
  for (auto at = groups_.begin(); at != groups_.end();) {
    auto& [id, entry] = *at;
    if (entry.group->topic()->id != topic->id) {
      ++at;
      continue;
    }
    ctx_->forget(entry.group.get());
    for (auto& waiting : entry.waiting) {
      waiting->error = Error(ErrorCode::unknown_group, "its topic was deleted");
      ctx_->reply(std::move(waiting));
    }
    at = groups_.erase(at);
  }
  acked_.purge_topic(topic);
  rollups_.purge(topic);
  auto remove = [&](storage::Table table, const storage::Key& prefix) {
    ctx_->writes(nullptr).remove_range({table, Month(0), topic->tenant}, prefix,
                                       prefix.after_prefix());
  };
  remove(storage::Table::offsets, storage::offsets_prefix(topic->tenant, topic->id, SliceId(0)));
  remove(storage::Table::dedup, storage::dedup_prefix(topic->tenant, topic->id, SliceId(0)));
  remove(storage::Table::delayed, storage::delayed_prefix(topic->tenant, topic->id, SliceId(0)));
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void ShardObjects::shard_stats(std::unique_ptr<ShardStats> request) {
  request->catalog = ctx_->catalog();
  request->now_us = ctx_->now().wall_us;
  if (request->only_catalog) return ctx_->reply(std::move(request));
  const TenantId tenant = request->tenant.tenant();
  const auto wanted = [&](TenantId of) { return tenant == kNodeTenant || of == tenant; };
  for (const auto& [key, partition] : partitions_) {
    if (!wanted(key.tenant) || partition->state() != Partition::State::ready) continue;
    request->partitions.push_back({partition->topic(), partition->stats()});
  }
  for (const auto& [id, entry] : groups_) {
    if (entry.group == nullptr || entry.group->state() != Group::State::ready) continue;
    if (!wanted(entry.group->record()->tenant)) continue;
    request->groups.push_back(with_lag(entry.group->stats()));
  }
  acked_.each_ready([&](const AckedGroup& group) {
    if (!wanted(group.record()->tenant)) return;
    request->groups.push_back(with_lag(group.stats(), group.slot()));
  });
  validation_->stats(tenant, &request->validations);
  ctx_->reply(std::move(request));
}

}  // namespace headrace::core

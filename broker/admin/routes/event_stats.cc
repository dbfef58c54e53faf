// /admin/events/stats: counts of the tenant, at a path that dashboards of event buses know.
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "json/json_line.h"

namespace headrace::admin {
namespace {

struct EventStats {
  int64_t topics = 0, groups = 0, events = 0, bytes = 0, delayed = 0;
  int64_t delivered = 0, processed = 0, failed = 0, pending = 0;
  int64_t in_flight = 0, retrying = 0, dead_letters = 0, unhealthy_groups = 0;

  void add(const core::GroupStats& stats) {
    ++groups;
    pending += stats.lag_events;
    if (!stats.acked) return;
    const core::AckedStats& acked = *stats.acked;
    delivered += acked.delivered;
    processed += acked.acked;
    failed += acked.failed;
    in_flight += acked.in_flight;
    retrying += acked.retry;
    dead_letters += acked.dead_letters;
    unhealthy_groups += acked.state != core::GroupState::healthy ? 1 : 0;
  }
  void add(const core::PartitionStats& partition) {
    events += partition.visible_end - partition.log_start;
    bytes += partition.bytes;
    delayed += partition.delayed;
  }
  std::string json() const {
    std::string body;
    JsonLine(&body)
        .number("topics", topics)
        .number("groups", groups)
        .number("events", events)
        .number("bytes", bytes)
        .number("delayed", delayed)
        .number("delivered", delivered)
        .number("processed", processed)
        .number("failed", failed)
        .number("pending", pending)
        .number("in_flight", in_flight)
        .number("retrying", retrying)
        .number("dead_letters", dead_letters)
        .number("unhealthy_groups", unhealthy_groups)
        .end();
    return body;
  }
};

void answer_stats(const CallPtr& call, const std::vector<core::RequestPtr>& answers) {
  // The tenant's own; what the broker says of itself is another matter.
  const auto counts = [&](const std::string& topic) {
    return topic != core::kSystemTopic && !call->may(topic);
  };
  EventStats sum;
  for (const auto& one : answers) {
    if (one->error) return call->refuse(one->error);
    const auto& shard = core::as<core::ShardStats>(*one);
    for (const auto& row : shard.partitions) {
      if (counts(row.topic->name)) sum.add(row.partition);
    }
    for (const auto& stats : shard.groups) {
      if (counts(stats.topic->name)) sum.add(stats);
    }
  }
  for (const auto& [name, topic] : call->catalog()->topics) {
    if (name.first == call->tenant().tenant() && counts(topic->name)) ++sum.topics;
  }
  call->reply(200, sum.json());
}

}  // namespace

void get_event_stats(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  std::vector<core::RequestPtr> questions;
  const uint32_t shards = call->admin().reactors().front()->shards();
  for (uint32_t i = 0; i < shards; ++i) {
    auto question = std::make_unique<core::ShardStats>(call->tenant());
    question->shard = ShardId(static_cast<uint16_t>(i));
    questions.push_back(std::move(question));
  }
  call->admin().ask(std::move(questions),
                    [call](std::vector<core::RequestPtr> answers) { answer_stats(call, answers); });
}

}  // namespace headrace::admin

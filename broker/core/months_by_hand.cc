// What a shard does when a month of one of its topics is dropped by hand, or imported:
// docs/months.md.
#include "broker/core/cast.h"
#include "broker/core/objects.h"
#include "storage/month.h"

namespace headrace::core {
namespace {

// How far back acked groups need each partition, one after the other. Owns itself.
struct GroupsNeed : std::enable_shared_from_this<GroupsNeed> {
  void next() {
    const auto alive = partition.lock();
    if (alive == nullptr || alive->state() != Partition::State::ready) return give_up();
    if (at == ends.size()) return done(*this);
    groups->oldest_needed(topic, PartitionId(at), [self = shared_from_this()](Offset oldest) {
      if (oldest < self->ends[self->at]) self->held.push_back(PartitionId(self->at));
      ++self->at;
      self->next();
    });
  }

  // The shard's objects were dropped, or the topic deleted; the shard itself stays.
  void give_up() {
    request->error = Error(ErrorCode::loading, topic->name + " was closed meanwhile");
    ctx->reply(std::move(request));
  }

  std::unique_ptr<DropMonth> request;
  Ctx* ctx = nullptr;
  AckedGroups* groups = nullptr;  // there as long as the partition
  std::weak_ptr<Partition> partition;
  TopicPtr topic;
  std::vector<Offset> ends;  // of the month, by partition
  std::vector<PartitionId> held;
  uint32_t at = 0;
  std::function<void(GroupsNeed&)> done;
};

}  // namespace

// All or nothing of the topic: looked at first, then asked of the groups, then done.
void ShardObjects::drop_month(std::unique_ptr<DropMonth> typed) {
  RequestPtr request = std::move(typed);
  auto& drop = as<DropMonth>(*request);
  if (!all_ready(drop.topic, request)) return;
  if (Error error = check_drop(drop)) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  auto need = std::make_shared<GroupsNeed>();
  need->ctx = ctx_;
  need->groups = &acked_;
  need->topic = drop.topic;
  need->partition = partitions_.at(drop.topic->partition(PartitionId(0)));
  for (uint32_t i = 0; i < drop.topic->partitions; ++i) {
    const Partition& partition = *partitions_.at(drop.topic->partition(PartitionId(i)));
    const Error error = partition.check_drop(drop.month, &need->ends.emplace_back());
    if (error) {
      request->error = error;
      return ctx_->reply(std::move(request));
    }
    // Nothing of it: nobody holds it.
    if (need->ends.back() == partition.index().log_start()) need->ends.back() = Offset(0);
  }
  need->request = cast<DropMonth>(std::move(request));
  need->done = [this](GroupsNeed& answer) {
    auto own = std::move(answer.request);
    if (answer.held.empty()) return drop_now(std::move(own));
    if (!own->force) {
      own->error = Error(ErrorCode::month_held,
                         own->topic->name + ": wait for them, disable them, or force it");
      return ctx_->reply(std::move(own));
    }
    // They make dead letters of it, which takes reading it: then it may go.
    for (const PartitionId number : answer.held) {
      acked_.expire_below(own->topic, number, answer.ends[number.value()]);
    }
    own->error = Error(ErrorCode::busy, "acked groups let go of " + own->topic->name);
    own->error.retry_after_ms = 100;
    ctx_->reply(std::move(own));
  };
  need->next();
}

Error ShardObjects::check_drop(const DropMonth& drop) {
  if (ctx_->clock_suspect()) {
    return {ErrorCode::busy, "the wall clock jumped: nothing is removed until it is steady"};
  }
  if (drop.month >= storage::month_of(ctx_->now().wall_us)) {
    return {ErrorCode::month_open, std::to_string(drop.month.value())};
  }
  // A group that is not loaded is not asked.
  size_t groups = 0;
  for (const auto& [name, group] : ctx_->catalog()->groups) {
    if (group->kind != GroupRecord::Kind::acked || group->topic != drop.topic->id) continue;
    acked_.open(group, drop.topic);
    ++groups;
  }
  size_t ready = 0;
  acked_.each_ready([&](const AckedGroup& group) {
    if (group.topic()->id == drop.topic->id) ++ready;
  });
  if (ready >= groups) return {};
  Error error(ErrorCode::loading, "the groups of " + drop.topic->name);
  error.retry_after_ms = 100;
  return error;
}

void ShardObjects::drop_now(std::unique_ptr<DropMonth> request) {
  for (uint32_t i = 0; i < request->topic->partitions; ++i) {
    Partition& partition = *partitions_.at(request->topic->partition(PartitionId(i)));
    Offset end;
    request->error = partition.check_drop(request->month, &end);
    if (request->error) return ctx_->reply(std::move(request));
  }
  for (uint32_t i = 0; i < request->topic->partitions; ++i) {
    Partition& partition = *partitions_.at(request->topic->partition(PartitionId(i)));
    if (request->check_only) {
      Offset end;
      partition.check_drop(request->month, &end);
      request->events += end - partition.index().log_start();
      continue;
    }
    const DroppedMonth dropped =
        partition.drop_month(request->month, request->tenant, request->why);
    request->partitions += dropped.events > 0 ? 1 : 0;
    request->events += dropped.events;
    request->bytes += dropped.bytes;
  }
  if (request->check_only || request->events == 0) return ctx_->reply(std::move(request));
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void ShardObjects::import_month(RequestPtr request) {
  if (request->kind == Request::Kind::begin_import) {
    auto& typed = as<BeginImport>(*request);
    if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
      partition->begin_import(cast<BeginImport>(std::move(request)));
    }
    return;
  }
  auto& typed = as<ImportBatches>(*request);
  if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
    partition->import_batches(cast<ImportBatches>(std::move(request)));
  }
}

}  // namespace headrace::core

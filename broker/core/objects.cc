#include "broker/core/objects.h"

#include <algorithm>

#include "broker/core/api_history.h"
#include "broker/core/cast.h"
#include "broker/core/retention.h"
#include "broker/limits.h"

namespace headrace::core {

ShardObjects::ShardObjects(ShardId id, Ctx* ctx, const ShardOptions& options)
    : id_(id),
      ctx_(ctx),
      options_(options),
      audit_(id, ctx),
      system_events_(&audit_, ctx, options.system_events_delay_us),
      rollups_(ctx, options.rollup_interval_us),
      acked_(ctx, options.turns.get(), [this](RequestPtr request) { handle(std::move(request)); }),
      validation_(std::make_shared<PublishValidation>(
          ctx, options.redactor, [this](RequestPtr request) { publish(std::move(request)); })),
      delayed_wake_(id, ctx, [this](const TopicPtr& topic, PartitionId number) {
        if (!partitions_.contains(topic->partition(number))) open(topic, number);
      }) {
  if (id == kMetaShard) catalog_ = std::make_shared<CatalogStore>(ctx, options.shards);
  housekeeping_.objects = this;
}

ShardObjects::~ShardObjects() {
  ctx_->disarm(&housekeeping_);
}

void ShardObjects::start() {
  if (catalog_ != nullptr) catalog_->load();
  ctx_->arm(&housekeeping_, ctx_->now().mono_us + options_.retention_interval_us);
  delayed_wake_.start();
  system_events_.start();
  count_stored();
}

void ShardObjects::seal() {
  for (Partition* partition : folding_) partition->seal();
  folding_.clear();
  acked_.seal();
}

void ShardObjects::write_late() {
  for (auto& [key, partition] : partitions_) {
    if (partition->state() == Partition::State::ready) partition->end_waits();
  }
  rollups_.write_now();
  acked_.write_late();
}

void ShardObjects::on_reply(RequestPtr request) {
  if (request->kind == Request::Kind::fetch || request->kind == Request::Kind::list_offsets ||
      request->kind == Request::Kind::find_events) {
    return acked_.on_reply(*request);
  }
  if (request->kind == Request::Kind::create_topic ||
      request->kind == Request::Kind::publish_events) {
    return system_events_.on_reply(std::move(request));
  }
  HR_CHECK(catalog_ != nullptr);
  catalog_->on_reply(std::move(request));
}

// ---- who answers what

// What a handler said of its failure is stored and shown.
void ShardObjects::scrub(Settle* settle) const {
  if (options_.redactor == nullptr) return;
  for (auto& outcome : settle->outcomes) {
    if (!outcome.error.empty()) outcome.error = options_.redactor->text(outcome.error);
  }
}

void ShardObjects::handle(RequestPtr request) {
  switch (request->kind) {
    case Request::Kind::publish_batch:
    case Request::Kind::publish_events:
      request = validation_->admit(std::move(request));
      return request == nullptr ? void() : publish(std::move(request));
    case Request::Kind::fetch:
    case Request::Kind::list_offsets:
    case Request::Kind::find_events:
      return read(std::move(request));
    case Request::Kind::cancel_delayed:
      return cancel_delayed(cast<CancelDelayed>(std::move(request)));
    case Request::Kind::list_delayed:
      return DelayedList::begin(cast<ListDelayed>(std::move(request)), ctx_);
    case Request::Kind::describe_topic:
      return describe_topic(cast<DescribeTopic>(std::move(request)));
    case Request::Kind::describe_group:
      return describe_group(cast<DescribeGroup>(std::move(request)));
    case Request::Kind::purge_topic:
      return purge_topic(cast<PurgeTopic>(std::move(request)));
    case Request::Kind::drop_month:
      return drop_month(cast<DropMonth>(std::move(request)));
    case Request::Kind::begin_import:
    case Request::Kind::import_batches:
      return import_month(std::move(request));
    case Request::Kind::shard_stats:
      return shard_stats(cast<ShardStats>(std::move(request)));
    case Request::Kind::list_types:
      return rollups_.list(cast<ListTypes>(std::move(request)));
    case Request::Kind::read_audit:
      return audit_.read(cast<ReadAudit>(std::move(request)));
    case Request::Kind::join_group:
    case Request::Kind::heartbeat:
    case Request::Kind::leave_group:
    case Request::Kind::commit_offsets:
    case Request::Kind::purge_group:
      return handle_group(std::move(request));
    case Request::Kind::settle:
      scrub(&as<Settle>(*request));
      return acked_.handle(std::move(request));
    case Request::Kind::attach_member:
    case Request::Kind::detach_member:
    case Request::Kind::acquire:
    case Request::Kind::set_group_state:
    case Request::Kind::list_dead_letters:
    case Request::Kind::delete_dead_letters:
    case Request::Kind::start_job:
    case Request::Kind::list_jobs:
    case Request::Kind::control_job:
    case Request::Kind::explain_event:
    case Request::Kind::search_group:
      return acked_.handle(std::move(request));
    default:
      HR_CHECK(catalog_ != nullptr);
      return catalog_->handle(std::move(request));
  }
}

// From one partition.
void ShardObjects::read(RequestPtr request) {
  switch (request->kind) {
    case Request::Kind::fetch: {
      auto& typed = as<Fetch>(*request);
      if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
        partition->fetch(cast<Fetch>(std::move(request)));
      }
      return;
    }
    case Request::Kind::list_offsets: {
      auto& typed = as<ListOffsets>(*request);
      if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
        partition->list_offsets(cast<ListOffsets>(std::move(request)));
      }
      return;
    }
    case Request::Kind::find_events: {
      auto& typed = as<FindEvents>(*request);
      if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
        partition->find(cast<FindEvents>(std::move(request)));
      }
      return;
    }
    default:
      HR_UNREACHABLE("not a read of a partition");
  }
}

void ShardObjects::handle_group(RequestPtr request) {
  switch (request->kind) {
    case Request::Kind::join_group: {
      auto& typed = as<JoinGroup>(*request);
      if (auto* group = ready_group(typed.group, typed.topic, request)) {
        group->join(cast<JoinGroup>(std::move(request)));
      }
      return;
    }
    case Request::Kind::heartbeat: {
      auto& typed = as<Heartbeat>(*request);
      if (auto* group = ready_group(typed.group, typed.topic, request)) {
        group->heartbeat(cast<Heartbeat>(std::move(request)));
      }
      return;
    }
    case Request::Kind::leave_group: {
      auto& typed = as<LeaveGroup>(*request);
      if (auto* group = ready_group(typed.group, typed.topic, request)) {
        group->leave(cast<LeaveGroup>(std::move(request)));
      }
      return;
    }
    case Request::Kind::commit_offsets: {
      auto& typed = as<CommitOffsets>(*request);
      if (auto* group = ready_group(typed.group, typed.topic, request)) {
        group->commit(cast<CommitOffsets>(std::move(request)));
      }
      return;
    }
    default:
      break;
  }
  auto& typed = as<PurgeGroup>(*request);
  if (typed.group->kind == GroupRecord::Kind::acked) {
    return acked_.purge(cast<PurgeGroup>(std::move(request)));
  }
  if (auto* group = ready_group(typed.group, typed.topic, request)) {
    group->purge(cast<PurgeGroup>(std::move(request)));
  }
}

// ---- objects, loaded when first asked for

std::shared_ptr<Partition> ShardObjects::open(const TopicPtr& topic, PartitionId number) {
  auto& partition = partitions_[topic->partition(number)];
  if (partition == nullptr || partition->state() == Partition::State::failed) {
    partition = std::make_shared<Partition>(topic, number, acked_.matcher(topic), ctx_);
    partition->load([this, raw = partition.get()] {
      const TopicId id = raw->topic()->id;
      note_stored(raw->topic()->tenant);
      loaded(std::move(raw->waiting()));
      publish_held(id);
    });
  }
  return partition;
}

void ShardObjects::loaded(std::vector<RequestPtr> waiting) {
  for (auto& request : waiting) handle(std::move(request));
}

// A partition that can answer now; nullptr if the request has been taken (waits, or was refused).
Partition* ShardObjects::ready_partition(const TopicPtr& topic, PartitionId number,
                                         RequestPtr& request) {
  auto refuse = [&](ErrorCode code, std::string why) -> Partition* {
    request->error = Error(code, std::move(why));
    ctx_->reply(std::move(request));
    return nullptr;
  };
  if (number.value() >= topic->partitions) {
    return refuse(ErrorCode::unknown_partition,
                  topic->name + " has " + std::to_string(topic->partitions) +
                      " partitions, asked for " + std::to_string(number.value()));
  }
  auto known = partitions_.find(topic->partition(number));
  if (known != partitions_.end() && known->second->state() == Partition::State::ready) {
    return known->second.get();
  }
  if (known != partitions_.end() && known->second->state() == Partition::State::closed) {
    return refuse(ErrorCode::unknown_topic, "'" + topic->name + "' was deleted");
  }
  if (known != partitions_.end() && known->second->state() == Partition::State::failed &&
      request->waited) {
    return refuse(ErrorCode::storage_error, "loading " + topic->name);
  }
  auto partition = open(topic, number);
  if (partition->waiting().size() >= limits::kRequestsWhileLoading) {
    return refuse(ErrorCode::loading, "too many requests wait for " + topic->name);
  }
  request->waited = true;
  partition->waiting().push_back(std::move(request));
  return nullptr;
}

bool ShardObjects::all_ready(const TopicPtr& topic, RequestPtr& request) {
  for (uint32_t i = 0; i < topic->partitions; ++i) {
    if (ready_partition(topic, PartitionId(i), request) == nullptr) return false;
  }
  return true;
}

Group* ShardObjects::ready_group(const GroupPtr& record, const TopicPtr& topic,
                                 RequestPtr& request) {
  if (record->kind != GroupRecord::Kind::positional) {
    request->error = Error(ErrorCode::group_kind, record->name + " is acked: subscribe to it");
    ctx_->reply(std::move(request));
    return nullptr;
  }
  auto& entry = groups_[record->id];
  if (entry.group != nullptr && entry.group->state() == Group::State::ready) {
    return entry.group.get();
  }
  if (entry.group != nullptr && entry.group->state() == Group::State::failed && request->waited) {
    request->error = Error(ErrorCode::storage_error, "loading group " + record->name);
    ctx_->reply(std::move(request));
    return nullptr;
  }
  if (entry.group == nullptr || entry.group->state() == Group::State::failed) {
    entry.group = std::make_shared<Group>(record, topic, ctx_);
    entry.group->load([this, id = record->id] {
      auto at = groups_.find(id);
      if (at != groups_.end()) loaded(std::exchange(at->second.waiting, {}));
    });
  }
  if (entry.waiting.size() >= limits::kRequestsWhileLoading) {
    request->error = Error(ErrorCode::loading, "too many requests wait for group " + record->name);
    ctx_->reply(std::move(request));
    return nullptr;
  }
  request->waited = true;
  entry.waiting.push_back(std::move(request));
  return nullptr;
}

// ---- publishes, in the order in which they came

bool ShardObjects::is_loading(const TopicPtr& topic, PartitionId number, bool waited) {
  if (number.value() >= topic->partitions) return false;  // refused when its turn comes
  auto known = partitions_.find(topic->partition(number));
  const auto state = known == partitions_.end() ? Partition::State::failed : known->second->state();
  const bool try_again = known == partitions_.end() || !waited;
  if (state == Partition::State::failed && try_again) {
    open(topic, number);
    return true;
  }
  return state == Partition::State::loading;
}

bool ShardObjects::must_wait(Request& publish) {
  if (publish.kind == Request::Kind::publish_batch) {
    const auto& typed = as<PublishBatch>(publish);
    return is_loading(typed.topic, typed.partition, publish.waited);
  }
  const auto& typed = as<PublishEvents>(publish);
  bool wait = false;
  for (const auto& item : typed.items) {
    if (!item.error && is_loading(typed.topic, item.partition, publish.waited)) wait = true;
  }
  return wait;
}

void ShardObjects::publish_held(TopicId topic) {
  if (!held_.contains(topic)) return;
  auto& queue = held_[topic];
  while (!queue.empty()) {
    if (must_wait(*queue.front())) return;
    RequestPtr request = std::move(queue.front());
    queue.pop_front();
    publish_now(std::move(request));
  }
  held_.erase(topic);
}

void ShardObjects::publish_now(RequestPtr request) {
  if (request->kind == Request::Kind::publish_events) {
    return publish_events(cast<PublishEvents>(std::move(request)));
  }
  auto& typed = as<PublishBatch>(*request);
  if (auto* partition = ready_partition(typed.topic, typed.partition, request)) {
    partition->publish(cast<PublishBatch>(std::move(request)));
  }
}

// ---- what concerns several partitions

void ShardObjects::publish_events(std::unique_ptr<PublishEvents> typed) {
  RequestPtr request = std::move(typed);
  auto& publish = as<PublishEvents>(*request);
  // Completely checked before the first change: every partition is there.
  for (const auto& item : publish.items) {
    if (item.error) continue;
    if (ready_partition(publish.topic, item.partition, request) == nullptr) return;
  }
  publish.epoch = ctx_->epoch();
  const bool one_lane = publish.atomic || publish.producer != kNoProducer;
  if (one_lane) {
    Partition& partition =
        *partitions_.at(publish.topic->partition(publish.items.front().partition));
    partition.add_atomic(publish);
    folding_.push_back(&partition);
    if (publish.error) return ctx_->reply(std::move(request));
    if (publish.items.front().duplicate) {
      return ctx_->reply_committed(std::move(request), publish.original_sequence);
    }
  } else {
    bool any = false;
    for (size_t i = 0; i < publish.items.size(); ++i) {
      if (publish.items[i].error) continue;
      Partition& partition = *partitions_.at(publish.topic->partition(publish.items[i].partition));
      partition.add(publish, i);
      any = any || (!publish.items[i].error && !publish.items[i].duplicate);
      if (folding_.empty() || folding_.back() != &partition) folding_.push_back(&partition);
    }
    // Nothing of it is new: repeated, or no room for delayed ones.
    if (!any) return ctx_->reply_committed(std::move(request), publish.original_sequence);
  }
  ctx_->reply_committed(std::move(request), publish.durability);
}

void ShardObjects::describe_topic(std::unique_ptr<DescribeTopic> typed) {
  RequestPtr request = std::move(typed);
  auto& describe = as<DescribeTopic>(*request);
  if (!all_ready(describe.topic, request)) return;
  for (uint32_t i = 0; i < describe.topic->partitions; ++i) {
    describe.partitions.push_back(
        partitions_.at(describe.topic->partition(PartitionId(i)))->stats());
  }
  ctx_->reply(std::move(request));
}

void ShardObjects::describe_group(std::unique_ptr<DescribeGroup> typed) {
  RequestPtr request = std::move(typed);
  auto& describe = as<DescribeGroup>(*request);
  if (!all_ready(describe.topic, request)) return;
  if (describe.group->kind == GroupRecord::Kind::acked) {
    AckedGroup* group = acked_.ready(describe.group, describe.topic, request);
    if (group == nullptr) return;
    describe.stats = with_lag(group->stats(), group->slot());
    // A new group's start is durable before anybody is told where it is.
    return ctx_->reply_committed(std::move(request), group->touched_sequence);
  }
  Group* group = ready_group(describe.group, describe.topic, request);
  if (group == nullptr) return;
  describe.stats = with_lag(group->stats());
  ctx_->reply(std::move(request));
}

// Lag of a group whose partitions are known here; those not loaded count as read to the end.
GroupStats ShardObjects::with_lag(GroupStats stats, uint32_t slot) {
  for (auto& row : stats.partitions) {
    auto known = partitions_.find(stats.topic->partition(row.partition));
    if (known == partitions_.end() || known->second->state() != Partition::State::ready) continue;
    const Partition& partition = *known->second;
    row.visible_end = partition.visible_end();
    const Offset read_to = stats.acked ? row.next : row.committed;
    // Nothing that it wants has come since it waits.
    const Offset next = stats.acked && partition.waits(slot)
                            ? row.visible_end
                            : std::max(read_to, partition.index().log_start());
    row.lag_events =
        std::max<int64_t>(row.visible_end - next - row.settled_ahead, 0) + row.outstanding;
    if (row.lag_events > 0) {
      const int64_t appended_us =
          partition.append_time_hint_us(row.outstanding > 0 ? row.committed : next);
      if (appended_us > 0) {
        row.lag_seconds =
            static_cast<double>(std::max<int64_t>(ctx_->now().wall_us - appended_us, 0)) /
            static_cast<double>(kMicrosPerSecond);
      }
    }
    stats.lag_events += row.lag_events;
    stats.lag_seconds = std::max(stats.lag_seconds, row.lag_seconds);
  }
  return stats;
}

void ShardObjects::cancel_delayed(std::unique_ptr<CancelDelayed> typed) {
  RequestPtr request = std::move(typed);
  auto& cancel = as<CancelDelayed>(*request);
  const TopicPtr topic = cancel.topic;
  // Whoever is held to some types takes back nothing: what waits may be of others.
  request->error = request->tenant.require_type(topic->name, "");
  if (request->error) return ctx_->reply(std::move(request));
  if (!all_ready(topic, request)) return;
  std::vector<std::shared_ptr<Partition>> partitions;
  for (uint32_t i = 0; i < topic->partitions; ++i) {
    partitions.push_back(partitions_.at(topic->partition(PartitionId(i))));
  }
  CancelScan::begin(cast<CancelDelayed>(std::move(request)), std::move(partitions), ctx_);
}

// ---- housekeeping and the end

void ShardObjects::keep_house() {
  ctx_->arm(&housekeeping_, ctx_->now().mono_us + options_.retention_interval_us);
  for (const auto& [name, topic] : ctx_->catalog()->topics) {
    if (topic->shard != id_ || topic->state != Topic::State::active) continue;
    if (retention_of(*topic, *ctx_->catalog()).unlimited()) continue;
    for (uint32_t i = 0; i < topic->partitions; ++i) open(topic, PartitionId(i));
  }
  for (const auto& [name, group] : ctx_->catalog()->groups) {
    if (group->kind != GroupRecord::Kind::acked) continue;
    const TopicPtr topic = ctx_->catalog()->topic(group->tenant, group->topic);
    if (topic == nullptr || topic->state != Topic::State::active) continue;
    if (topic->shard == id_) acked_.open(group, topic);
  }
  // What could not be loaded may hold delayed events, which nobody else asks for.
  for (const auto& [key, partition] : partitions_) {
    if (partition->state() == Partition::State::failed) open(partition->topic(), key.partition);
  }
  acked_.forget_purged();
  forget_closed();
  if (ctx_->clock_suspect()) return;
  for (const auto& [key, partition] : partitions_) {
    if (partition->state() != Partition::State::ready) continue;
    partition->expire();
    if (retention_running_) continue;
    if (retention_of(*partition->topic(), *ctx_->catalog()).unlimited()) continue;
    retention_queue_.push_back(partition);
  }
  if (!retention_running_) next_retention_pass();
}

// One partition after the other: retention is never in a hurry.
void ShardObjects::next_retention_pass() {
  retention_running_ = false;
  while (!retention_queue_.empty()) {
    auto partition = retention_queue_.back().lock();
    retention_queue_.pop_back();
    if (partition == nullptr || partition->state() != Partition::State::ready) continue;
    retention_running_ = true;
    return RetentionPass::begin(partition, &acked_, options_.retention_max_pin_us, ctx_,
                                [this] { next_retention_pass(); });
  }
}

void ShardObjects::forget_closed() {
  std::erase_if(partitions_, [&](const auto& entry) {
    return entry.second->state() == Partition::State::closed &&
           entry.second->touched_sequence <= ctx_->committed_sequence();
  });
}

void ShardObjects::drop(const Error& error) {
  ctx_->disarm(&housekeeping_);
  delayed_wake_.stop();
  system_events_.stop();
  rollups_.stop();
  for (auto& [key, partition] : partitions_) {
    if (partition->state() != Partition::State::closed) partition->close(error);
  }
  for (auto& [id, entry] : groups_) {
    for (auto& request : entry.waiting) {
      request->error = error;
      ctx_->reply(std::move(request));
    }
    entry.waiting.clear();
  }
  for (auto& request : queue_.take_all()) {
    request->error = error;
    ctx_->reply(std::move(request));
  }
  for (auto& [topic, queue] : held_) {
    for (auto& request : queue) {
      request->error = error;
      ctx_->reply(std::move(request));
    }
  }
  held_.clear();
  validation_->drop(error);
  acked_.drop(error);
  if (catalog_ != nullptr) catalog_->drop(error);
  folding_.clear();
}

}  // namespace headrace::core

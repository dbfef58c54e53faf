#include "broker/core/group.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/offset_row.h"

namespace headrace::core {
namespace {

storage::Place offsets_place(TenantId tenant) {
  return {storage::Table::offsets, Month(0), tenant};
}

}  // namespace

// Owns itself until the rows are there; the group may be gone by then.
struct Group::LoadRows final : storage::Scan {
  void run() override {
    std::unique_ptr<LoadRows> self(this);
    auto alive = group.lock();
    if (alive == nullptr) return;
    alive->state_ = status == storage::Status::ok ? State::ready : State::failed;
    for (const Row& row : rows) {
      const auto parts = storage::parse_offsets_key(row.key.view());
      const auto value = storage::OffsetRow::decode(row.value.view());
      if (!parts || !value || parts->lane.value() != 0) continue;
      alive->committed_[parts->partition.partition] = value->position;
    }
    loaded();
  }
  std::weak_ptr<Group> group;
  std::function<void()> loaded;
};

Group::Group(GroupPtr record, TopicPtr topic, Ctx* ctx)
    : record_(std::move(record)), topic_(std::move(topic)), ctx_(ctx) {}

Group::~Group() {
  for (auto& [name, member] : members_) ctx_->disarm(member.get());
}

void Group::load(std::function<void()> loaded) {
  auto* scan = new LoadRows;
  scan->group = weak_from_this();
  scan->loaded = std::move(loaded);
  scan->place = offsets_place(topic_->tenant);
  scan->from = storage::offsets_prefix(topic_->tenant, topic_->id, SliceId(0), record_->id);
  scan->to = scan->from.after_prefix();
  scan->max_rows = limits::kPartitionsPerTopic;
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

// ---- membership

void Group::join(std::unique_ptr<JoinGroup> request) {
  std::string name = request->member;
  auto known = members_.find(name);
  if (known == members_.end()) {
    if (members_.size() >= limits::kMembersPerGroup) {
      request->error = Error(ErrorCode::limit_reached,
                             std::to_string(limits::kMembersPerGroup) + " members in one group");
      ctx_->reply(std::move(request));
      return;
    }
    // Unique without randomness: the epoch rises with every load of the shard.
    name = "m-" + std::to_string(ctx_->epoch().value()) + "-" + std::to_string(++members_named_);
    auto member = std::make_unique<Member>();
    member->group = this;
    member->name = name;
    known = members_.emplace(name, std::move(member)).first;
    known->second->client = request->client;
    known->second->session_timeout_us = request->session_timeout_us;
    rebalance();
  }
  Member& member = *known->second;
  ctx_->arm(&member, ctx_->now().mono_us + member.session_timeout_us);
  request->member = name;
  // Who joins again under its name may have forgotten what it committed.
  answer(std::move(request), member, false);
}

void Group::heartbeat(std::unique_ptr<Heartbeat> request) {
  auto known = members_.find(request->member);
  if (known == members_.end()) {
    request->error = Error(ErrorCode::unknown_member, record_->name);
    ctx_->reply(std::move(request));
    return;
  }
  Member& member = *known->second;
  adopt(member, request->generation);
  ctx_->arm(&member, ctx_->now().mono_us + member.session_timeout_us);
  answer(std::move(request), member, true);
}

// What the member has now. Its own commits on their way do not delay its heartbeats: it knows them.
template <class Request>
void Group::answer(std::unique_ptr<Request> request, const Member& member, bool knows_its_own) {
  request->epoch = ctx_->epoch();
  request->generation = generation_;
  request->assigned = effective(member.name);
  uint64_t wait_for = 0;
  for (AssignedPartition& mine : request->assigned) {
    const auto newest =
        std::find_if(uncommitted_.rbegin(), uncommitted_.rend(),
                     [&](const Uncommitted& commit) { return commit.partition == mine.partition; });
    if (newest == uncommitted_.rend()) continue;
    if (knows_its_own && newest->member == member.name) continue;
    mine.committed = newest->offset;
    wait_for = std::max(wait_for, newest->sequence);
  }
  if (wait_for == 0) return ctx_->reply(std::move(request));
  ctx_->reply_committed(std::move(request), wait_for);
}

void Group::leave(std::unique_ptr<LeaveGroup> request) {
  if (members_.contains(request->member)) {
    remove(request->member);
  } else {
    request->error = Error(ErrorCode::unknown_member, record_->name);
  }
  ctx_->reply(std::move(request));
}

void Group::expire(Member& member) {
  log::info("a group member was silent for its session timeout",
            {{"group", record_->name}, {"member", member.name}});
  remove(std::string(member.name));
}

void Group::remove(const std::string& name) {
  auto member = members_.find(name);
  ctx_->disarm(member->second.get());
  members_.erase(member);
  std::erase_if(holder_, [&](const auto& held) { return held.second == name; });
  rebalance();
}

void Group::rebalance() {
  std::vector<std::string> names;
  for (const auto& [name, member] : members_) names.push_back(name);
  ++generation_;
  target_ = assign(names, topic_->partitions, target_);
  for (const auto& [name, partitions] : target_) {
    for (PartitionId partition : partitions) holder_.try_emplace(partition, name);
  }
}

// The member has let go of everything that is not its own in `generation`.
void Group::adopt(Member& member, uint32_t generation) {
  if (generation != generation_ || member.adopted_generation == generation) return;
  member.adopted_generation = generation;
  for (auto& [partition, holder] : holder_) {
    if (holder != member.name) continue;
    const auto& mine = target_[member.name];
    if (std::binary_search(mine.begin(), mine.end(), partition)) continue;
    for (const auto& [name, partitions] : target_) {
      if (std::binary_search(partitions.begin(), partitions.end(), partition)) holder = name;
    }
  }
}

std::vector<AssignedPartition> Group::effective(const std::string& member) const {
  std::vector<AssignedPartition> assigned;
  auto mine = target_.find(member);
  if (mine == target_.end()) return assigned;
  for (PartitionId partition : mine->second) {
    auto holder = holder_.find(partition);
    if (holder != holder_.end() && holder->second != member) continue;
    assigned.push_back({partition, committed(partition)});
  }
  return assigned;
}

// ---- positions

Offset Group::committed(PartitionId partition) const {
  auto at = committed_.find(partition);
  return at == committed_.end() ? Offset(-1) : at->second;
}

Error Group::check_commit(const CommitOffsets& request) const {
  if (!request.member.empty()) {
    if (!members_.contains(request.member)) return Error(ErrorCode::unknown_member, record_->name);
    if (request.epoch != ctx_->epoch()) return Error(ErrorCode::stale_generation, "a new epoch");
  }
  for (const auto& [partition, offset] : request.offsets) {
    if (partition.value() >= topic_->partitions) {
      return Error(ErrorCode::unknown_partition,
                   topic_->name + " has " + std::to_string(topic_->partitions) + " partitions");
    }
    if (offset.value() < 0)
      return Error(ErrorCode::invalid_request, "offset: must not be negative");
    // Generations older than the current one may still commit what they hold: nobody else reads it.
    if (request.member.empty()) continue;
    auto holder = holder_.find(partition);
    if (holder == holder_.end() || holder->second != request.member) {
      return Error(ErrorCode::stale_generation,
                   "partition " + std::to_string(partition.value()) + " is not this member's");
    }
  }
  return {};
}

void Group::commit(std::unique_ptr<CommitOffsets> request) {
  request->error = check_commit(*request);
  if (request->error || request->offsets.empty()) {
    ctx_->reply(std::move(request));
    return;
  }
  auto& writes = ctx_->writes(this);
  for (const auto& [partition, offset] : request->offsets) {
    storage::OffsetRow row;
    row.position = offset;
    row.commit_time_us = ctx_->now().wall_us;
    row.epoch = ctx_->epoch();
    row.generation = generation_;
    const auto key = storage::offsets_key(topic_->partition(partition), record_->id, LaneId(0));
    writes.put(offsets_place(topic_->tenant), key, row.encode());
    uncommitted_.push_back({ctx_->sequence(), partition, offset, request->member});
  }
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void Group::on_committed(Ctx&, uint64_t sequence) {
  while (!uncommitted_.empty() && uncommitted_.front().sequence <= sequence) {
    committed_[uncommitted_.front().partition] = uncommitted_.front().offset;
    uncommitted_.pop_front();
  }
}

void Group::purge(std::unique_ptr<PurgeGroup> request) {
  if (request->only_if_empty && has_members()) {
    request->error = Error(ErrorCode::group_not_empty,
                           record_->name + " has " + std::to_string(members_.size()));
    ctx_->reply(std::move(request));
    return;
  }
  for (auto& [name, member] : members_) ctx_->disarm(member.get());
  members_.clear();
  const auto from = storage::offsets_prefix(topic_->tenant, topic_->id, SliceId(0), record_->id);
  ctx_->writes(this).remove_range(offsets_place(topic_->tenant), from, from.after_prefix());
  ctx_->reply_committed(std::move(request), Durability::durable);
}

GroupStats Group::stats() const {
  GroupStats stats;
  stats.group = record_;
  stats.topic = topic_;
  stats.generation = generation_;
  for (const auto& [name, member] : members_) {
    auto mine = target_.find(name);
    stats.members.push_back(
        {name, member->client, mine == target_.end() ? std::vector<PartitionId>{} : mine->second});
  }
  for (uint32_t i = 0; i < topic_->partitions; ++i) {
    GroupPartitionStats row;
    row.partition = PartitionId(i);
    row.committed = committed(row.partition);
    stats.partitions.push_back(row);
  }
  return stats;
}

}  // namespace headrace::core

#include "broker/core/acked_groups.h"

#include "broker/limits.h"

namespace headrace::core {
namespace {

struct Addressed {
  GroupPtr group;
  TopicPtr topic;
};

Addressed address_of(Request& request) {
  auto of = [](const auto& typed) { return Addressed{typed.group, typed.topic}; };
  switch (request.kind) {
    case Request::Kind::attach_member:
      return of(as<AttachMember>(request));
    case Request::Kind::detach_member:
      return of(as<DetachMember>(request));
    case Request::Kind::acquire:
      return of(as<Acquire>(request));
    case Request::Kind::settle:
      return of(as<Settle>(request));
    case Request::Kind::set_group_state:
      return of(as<SetGroupState>(request));
    case Request::Kind::list_dead_letters:
      return of(as<ListDeadLetters>(request));
    case Request::Kind::delete_dead_letters:
      return of(as<DeleteDeadLetters>(request));
    case Request::Kind::start_job:
      return of(as<StartJob>(request));
    case Request::Kind::list_jobs:
      return of(as<ListJobs>(request));
    case Request::Kind::control_job:
      return of(as<ControlJob>(request));
    case Request::Kind::explain_event:
      return of(as<ExplainEvent>(request));
    case Request::Kind::search_group:
      return of(as<SearchGroup>(request));
    default:
      HR_UNREACHABLE("not a request of an acked group");
  }
}

}  // namespace

void AckedGroups::handle(RequestPtr request) {
  const Addressed to = address_of(*request);
  const bool from_member = request->kind == Request::Kind::detach_member ||
                           request->kind == Request::Kind::acquire ||
                           request->kind == Request::Kind::settle;
  if (from_member && !groups_.contains(to.group->id)) {
    // Members are memory only: a group that is not there has none.
    request->error = Error(ErrorCode::unknown_member, to.group->name);
    return ctx_->reply(std::move(request));
  }
  if (AckedGroup* group = ready(to.group, to.topic, request)) group->handle(std::move(request));
}

const std::shared_ptr<Matcher>& AckedGroups::matcher(const TopicPtr& topic) {
  auto& known = matchers_[topic->id];
  if (known == nullptr) known = std::make_shared<Matcher>();
  return known;
}

void AckedGroups::load(Entry* entry, const GroupPtr& record, const TopicPtr& topic) {
  if (entry->group != nullptr) std::erase(changed_, entry->group.get());  // its load failed
  entry->group =
      std::make_shared<AckedGroup>(record, topic, matcher(topic), ctx_, turns_, &changed_);
  entry->group->load([this, id = record->id] {
    auto at = groups_.find(id);
    if (at == groups_.end()) return;
    for (auto& request : std::exchange(at->second.waiting, {})) again_(std::move(request));
  });
}

void AckedGroups::open(const GroupPtr& record, const TopicPtr& topic) {
  if (purged_.contains(record->id)) return;
  Entry& entry = groups_[record->id];
  const bool failed = entry.group != nullptr && entry.group->state() == AckedGroup::State::failed;
  if (entry.group == nullptr || failed) load(&entry, record, topic);
  if (entry.group->state() == AckedGroup::State::ready) entry.group->adopt(record);
}

AckedGroup* AckedGroups::ready(const GroupPtr& record, const TopicPtr& topic, RequestPtr& request) {
  auto refuse = [&](ErrorCode code, std::string why) -> AckedGroup* {
    request->error = Error(code, std::move(why));
    ctx_->reply(std::move(request));
    return nullptr;
  };
  if (record->kind != GroupRecord::Kind::acked) {
    return refuse(ErrorCode::group_kind, record->name + " is positional");
  }
  if (purged_.contains(record->id)) {
    return refuse(ErrorCode::unknown_group, record->name + " was deleted");
  }
  Entry& entry = groups_[record->id];
  const bool failed = entry.group != nullptr && entry.group->state() == AckedGroup::State::failed;
  if (failed && request->waited) {
    return refuse(ErrorCode::storage_error, "loading group " + record->name);
  }
  if (entry.group == nullptr || failed) load(&entry, record, topic);
  if (entry.group->state() == AckedGroup::State::ready) {
    entry.group->adopt(record);
    return entry.group.get();
  }
  if (entry.waiting.size() >= limits::kRequestsWhileLoading) {
    return refuse(ErrorCode::loading, "too many requests wait for group " + record->name);
  }
  request->waited = true;
  entry.waiting.push_back(std::move(request));
  return nullptr;
}

// Answers to an earlier load of the group, or to one that is gone, find nobody.
void AckedGroups::on_reply(Request& reply) {
  auto at = groups_.find(GroupId(static_cast<uint32_t>(reply.origin)));
  if (at == groups_.end() || at->second.group == nullptr) return;
  const std::shared_ptr<AckedGroup> group = at->second.group;
  if (group->fetch_origin() != reply.origin) return;
  if (reply.kind == Request::Kind::fetch) {
    group->on_fetched(as<Fetch>(reply));
  } else if (reply.kind == Request::Kind::find_events) {
    group->on_found(as<FindEvents>(reply));
  } else {
    group->on_position(as<ListOffsets>(reply));
  }
}

void AckedGroups::write_late() {
  for (auto& [id, entry] : groups_) {
    if (entry.group->state() == AckedGroup::State::ready) entry.group->write_late();
  }
}

void AckedGroups::seal() {
  for (AckedGroup* group : changed_) group->seal();
  changed_.clear();
}

// Out of the map before anybody hears of it: who is answered may ask again at once.
void AckedGroups::forget(GroupId id, const Error& error) {
  purged_.insert(id);
  auto node = groups_.extract(id);
  if (node.empty()) return;
  Entry& entry = node.mapped();
  ctx_->forget(entry.group.get());
  std::erase(changed_, entry.group.get());
  entry.group->close(error);
  for (auto& request : entry.waiting) {
    request->error = error;
    ctx_->reply(std::move(request));
  }
}

void AckedGroups::purge(std::unique_ptr<PurgeGroup> typed) {
  const GroupPtr record = typed->group;
  const TopicPtr topic = typed->topic;
  const bool only_if_empty = typed->only_if_empty;
  RequestPtr request = std::move(typed);
  if (purged_.contains(record->id)) {
    return ctx_->reply_committed(std::move(request), Durability::durable);
  }
  AckedGroup* group = ready(record, topic, request);
  if (group == nullptr) return;
  if (only_if_empty && group->has_members()) {
    request->error = Error(ErrorCode::group_not_empty, record->name);
    return ctx_->reply(std::move(request));
  }
  group->purge();
  ctx_->reply_committed(std::move(request), Durability::durable);
  forget(record->id, Error(ErrorCode::unknown_group, record->name + " was deleted"));
}

void AckedGroups::purge_topic(const TopicPtr& topic) {
  std::vector<GroupId> of_topic;
  for (const auto& [id, entry] : groups_) {
    if (entry.group->topic()->id == topic->id) of_topic.push_back(id);
  }
  for (GroupId id : of_topic) {
    forget(id, Error(ErrorCode::unknown_group, "its topic was deleted"));
  }
  matchers_.erase(topic->id);
  auto& writes = ctx_->writes(nullptr);
  auto remove = [&](storage::Table table, const storage::Key& prefix) {
    writes.remove_range({table, Month(0), topic->tenant}, prefix, prefix.after_prefix());
  };
  remove(storage::Table::retry, storage::retry_prefix(topic->tenant, topic->id, SliceId(0)));
  remove(storage::Table::dlq, storage::dlq_prefix(topic->tenant, topic->id, SliceId(0)));
  remove(storage::Table::state, storage::health_prefix(topic->tenant, topic->id, SliceId(0)));
  remove(storage::Table::state, storage::job_prefix(topic->tenant, topic->id, SliceId(0)));
}

void AckedGroups::oldest_needed(const TopicPtr& topic, PartitionId partition,
                                std::function<void(Offset)> found) {
  struct Question {
    size_t missing = 1;  // this call
    Offset oldest{INT64_MAX};
    std::function<void(Offset)> found;
  };
  auto question = std::make_shared<Question>();
  question->found = std::move(found);
  auto take = [question](Offset offset) {
    question->oldest = std::min(question->oldest, offset);
    if (--question->missing == 0) question->found(question->oldest);
  };
  std::vector<std::shared_ptr<AckedGroup>> asked;
  for (const auto& [id, entry] : groups_) {
    if (entry.group->topic()->id == topic->id) asked.push_back(entry.group);
  }
  for (const auto& group : asked) {
    ++question->missing;
    if (group->state() != AckedGroup::State::ready) {
      take(Offset(0));
    } else if (!group->holds_log()) {
      take(Offset(INT64_MAX));
    } else {
      group->oldest_needed(partition, take);
    }
  }
  take(Offset(INT64_MAX));
}

void AckedGroups::expire_below(const TopicPtr& topic, PartitionId partition, Offset cut) {
  for (const auto& [id, entry] : groups_) {
    if (entry.group->topic()->id != topic->id) continue;
    if (entry.group->state() == AckedGroup::State::ready && entry.group->holds_log()) {
      entry.group->expire_below(partition, cut);
    }
  }
}

void AckedGroups::forget_attempts(const TopicPtr& topic, PartitionId partition, Offset log_start) {
  for (const auto& [id, entry] : groups_) {
    if (entry.group->topic()->id != topic->id) continue;
    if (entry.group->state() == AckedGroup::State::ready) {
      entry.group->forget_attempts(partition, log_start);
    }
  }
}

// Ids are never reused: once the catalog has forgotten them nobody can ask for them.
void AckedGroups::forget_purged() {
  if (purged_.empty()) return;
  std::unordered_set<GroupId> known;
  for (const auto& [name, group] : ctx_->catalog()->groups) {
    if (purged_.contains(group->id)) known.insert(group->id);
  }
  purged_ = std::move(known);
}

void AckedGroups::drop(const Error& error) {
  changed_.clear();
  for (auto& [id, entry] : groups_) {
    entry.group->close(error);
    for (auto& request : entry.waiting) {
      request->error = error;
      ctx_->reply(std::move(request));
    }
    entry.waiting.clear();
  }
}

}  // namespace headrace::core

#include "broker/admin/members.h"

#include <algorithm>

namespace headrace::admin {
namespace {

constexpr uint32_t kMembersAgainMs = 1'000;

}  // namespace

void Members::borrow(const core::TenantContext& who, const core::GroupPtr& group,
                     const core::TopicPtr& topic, int64_t now_mono_us, Use use) {
  for (Member& member : members_[{group->tenant, group->id}]) {
    if (member.out) continue;
    member.out = true;
    member.group = group;  // its newest options
    return use({}, member.id);
  }
  if (!count_.admits(group->tenant)) sweep(now_mono_us);
  if (!count_.admits(group->tenant)) {
    core::Error error(core::ErrorCode::busy, "too many HTTP members of the tenant's groups");
    error.retry_after_ms = kMembersAgainMs;
    return use(error, 0);
  }
  attach(who, group, topic, std::move(use));
}

void Members::attach(const core::TenantContext& who, const core::GroupPtr& group,
                     const core::TopicPtr& topic, Use use) {
  count_.add(group->tenant);
  auto request = std::make_unique<core::AttachMember>(who);
  request->topic = topic;
  request->group = group;
  request->shard = topic->shard;
  request->client = "http";
  request->window_events = limits::kMemberWindowMax;  // max_in_flight bounds the group
  ask_(std::move(request),
       [this, who, group, topic, use = std::move(use)](core::RequestPtr answer) {
         if (answer->error) {
           count_.remove(group->tenant);
           return use(answer->error, 0);
         }
         const uint64_t id = core::as<core::AttachMember>(*answer).member;
         members_[{group->tenant, group->id}].push_back({id, true, 0, who, group, topic});
         use({}, id);
       });
}

Members::Member* Members::find(const core::GroupRecord& group, uint64_t member) {
  const auto of_group = members_.find({group.tenant, group.id});
  if (of_group == members_.end()) return nullptr;
  const auto found = std::ranges::find(of_group->second, member, &Member::id);
  return found == of_group->second.end() ? nullptr : &*found;
}

void Members::give_back(const core::GroupRecord& group, uint64_t member, int64_t now_mono_us) {
  Member* known = find(group, member);
  if (known == nullptr) return;
  known->out = false;
  touch(group, member, now_mono_us);
}

void Members::touch(const core::GroupRecord& group, uint64_t member, int64_t now_mono_us) {
  Member* known = find(group, member);
  if (known == nullptr) return;
  known->ends_mono_us =
      now_mono_us + known->group->options.ack_deadline_us + limits::kHttpMemberIdleUs;
}

void Members::forget(const core::GroupRecord& group, uint64_t member) {
  const auto of_group = members_.find({group.tenant, group.id});
  if (of_group == members_.end()) return;
  // Ids begin with the epoch of the shard's load that made them.
  std::erase_if(of_group->second, [&](const Member& one) {
    const bool stale = one.id == member || (!one.out && one.id >> 32 <= member >> 32);
    if (stale) count_.remove(group.tenant);
    return stale;
  });
  if (of_group->second.empty()) members_.erase(of_group);
}

void Members::sweep(int64_t now_mono_us) {
  for (auto of_group = members_.begin(); of_group != members_.end();) {
    std::erase_if(of_group->second, [&](const Member& member) {
      const bool over = !member.out && member.ends_mono_us <= now_mono_us;
      if (!over) return false;
      leave(member);
      count_.remove(of_group->first.first);
      return true;
    });
    of_group = of_group->second.empty() ? members_.erase(of_group) : std::next(of_group);
  }
}

void Members::leave(const Member& member) {
  auto request = std::make_unique<core::DetachMember>(member.who);
  request->topic = member.topic;
  request->group = member.group;
  request->shard = member.topic->shard;
  request->member = member.id;
  // A group that is gone, or was loaded anew, does not know it any more: that is as good. One that
  // cannot be asked now keeps a member that holds nothing until it is loaded anew.
  ask_(std::move(request), [](core::RequestPtr) {});
}

}  // namespace headrace::admin

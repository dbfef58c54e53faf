// HTTP callers as members of acked groups. A connection is no membership here: a receive borrows a
// member of its group, one is made when all are out, and gives it back. What it was given stays
// that member's until it is settled, whoever brings the outcome, or until its deadline passes: then
// it is a failed attempt, as of any member that is silent. A member that nobody borrowed or
// extended for the ack deadline and limits::kHttpMemberIdleUs more leaves the group.
//
// Lives on: the HTTP thread. Bound: limits::kHttpMembers, shared by tenants; then busy.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "broker/core/api_acked.h"
#include "broker/limits.h"
#include "storage/fair_bound.h"

namespace headrace::admin {

class Members {
 public:
  // Asks a shard; `done` runs on the HTTP thread.
  using Done = std::function<void(core::RequestPtr)>;
  using Ask = std::function<void(core::RequestPtr question, Done done)>;

  explicit Members(Ask ask) : ask_(std::move(ask)) {}

  // `use` runs on the HTTP thread, with an error or a member that is its caller's until it is given
  // back or forgotten.
  using Use = std::function<void(const core::Error& error, uint64_t member)>;
  void borrow(const core::TenantContext& who, const core::GroupPtr& group,
              const core::TopicPtr& topic, int64_t now_mono_us, Use use);
  void give_back(const core::GroupRecord& group, uint64_t member, int64_t now_mono_us);
  // The group does not know this one: it was loaded anew, and knows none of those that are back.
  void forget(const core::GroupRecord& group, uint64_t member);
  void touch(const core::GroupRecord& group, uint64_t member, int64_t now_mono_us);
  void sweep(int64_t now_mono_us);  // whose time is over leaves

  size_t size() const { return count_.all(); }

 private:
  struct Member {
    uint64_t id = 0;
    bool out = false;
    int64_t ends_mono_us = 0;
    core::TenantContext who;
    core::GroupPtr group;
    core::TopicPtr topic;
  };
  using Place = std::pair<TenantId, GroupId>;

  void attach(const core::TenantContext& who, const core::GroupPtr& group,
              const core::TopicPtr& topic, Use use);
  void leave(const Member& member);
  Member* find(const core::GroupRecord& group, uint64_t member);

  const Ask ask_;
  std::map<Place, std::vector<Member>> members_;
  FairBound count_{limits::kHttpMembers};  // those that are being made, too
};

}  // namespace headrace::admin

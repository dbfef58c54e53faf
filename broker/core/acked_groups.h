// The acked groups of one shard: loaded when they are first asked for, found again for the answers
// of their reads. Requests wait for the load.
//
// Lives on: the shard's reactor, inside its objects. Dropped as a whole when a commit fails.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "broker/core/acked_group.h"
#include "broker/core/ctx.h"

namespace headrace::core {

class AckedGroups {
 public:
  // `again`: takes a request back that has waited for a load.
  AckedGroups(Ctx* ctx, TurnShares* turns, std::function<void(RequestPtr)> again)
      : ctx_(ctx), turns_(turns), again_(std::move(again)) {}

  void handle(RequestPtr request);
  // A group that can answer now; nullptr if the request has been taken (waits, or was refused).
  AckedGroup* ready(const GroupPtr& record, const TopicPtr& topic, RequestPtr& request);
  void open(const GroupPtr& record, const TopicPtr& topic);  // loads it if it is not there
  void on_reply(Request& reply);                             // of a fetch or list_offsets of theirs
  // Of all groups of the topic.
  const std::shared_ptr<Matcher>& matcher(const TopicPtr& topic);
  void seal();
  void write_late();  // before a clean stop: positions that only passed over what nobody wants
  void purge(std::unique_ptr<PurgeGroup> request);
  void purge_topic(const TopicPtr& topic);
  // Retention. The lowest offset that the groups of the topic still need, Offset(INT64_MAX) if none
  // holds the log, Offset(0) while it cannot be known; may answer within the call.
  void oldest_needed(const TopicPtr& topic, PartitionId partition,
                     std::function<void(Offset)> found);
  void expire_below(const TopicPtr& topic, PartitionId partition, Offset cut);
  void forget_attempts(const TopicPtr& topic, PartitionId partition, Offset log_start);
  void forget_purged();  // housekeeping
  void drop(const Error& error);

  template <class Visit>
  void each_ready(Visit&& visit) const {
    for (const auto& [id, entry] : groups_) {
      if (entry.group->state() == AckedGroup::State::ready) visit(*entry.group);
    }
  }

 private:
  struct Entry {
    std::shared_ptr<AckedGroup> group;
    std::vector<RequestPtr> waiting;
  };

  void load(Entry* entry, const GroupPtr& record, const TopicPtr& topic);
  void forget(GroupId id, const Error& error);

  Ctx* const ctx_;
  TurnShares* const turns_;  // of the reactor
  const std::function<void(RequestPtr)> again_;
  std::unordered_map<TopicId, std::shared_ptr<Matcher>> matchers_;
  std::unordered_map<GroupId, Entry> groups_;
  std::vector<AckedGroup*> changed_;    // this turn
  std::unordered_set<GroupId> purged_;  // deleted here, and still in the catalog
};

}  // namespace headrace::core

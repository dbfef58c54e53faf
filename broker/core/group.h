// A positional group: who is a member, which member reads which partition, and the committed
// positions. One server-side assignor; members learn their assignment from join and heartbeats.
//
// A partition that moves is given to its new member only after the old one has adopted the
// generation that took it away (or has left, or is silent for its session timeout): one member per
// partition and generation.
//
// A position that was submitted for a partition by somebody else and is not durable yet belongs to
// the assignment: the answer has it and waits for its commit, so that nobody begins below what will
// be acknowledged.
//
// Lives on: the shard of its topic. Memory only, but for the committed positions (family offsets):
// after a restart members join again and the generation goes on under a new epoch.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/assignor.h"
#include "broker/core/ctx.h"

namespace headrace::core {

class Group final : public Committable, public std::enable_shared_from_this<Group> {
 public:
  enum class State : uint8_t { loading, ready, failed };

  Group(GroupPtr record, TopicPtr topic, Ctx* ctx);
  ~Group() override;

  // Reads the committed positions; `loaded` runs when the state is known.
  void load(std::function<void()> loaded);
  State state() const { return state_; }

  void join(std::unique_ptr<JoinGroup> request);
  void heartbeat(std::unique_ptr<Heartbeat> request);
  void leave(std::unique_ptr<LeaveGroup> request);
  void commit(std::unique_ptr<CommitOffsets> request);
  void purge(std::unique_ptr<PurgeGroup> request);

  Offset committed(PartitionId partition) const;
  GroupStats stats() const;  // without lag: the caller knows the partitions' ends
  const GroupPtr& record() const { return record_; }
  const TopicPtr& topic() const { return topic_; }
  bool has_members() const { return !members_.empty(); }

  void on_committed(Ctx& ctx, uint64_t sequence) override;

 private:
  struct Member final : Timer {
    void on_timer(Time) override { group->expire(*this); }
    Group* group = nullptr;
    std::string name;
    std::string client;
    int64_t session_timeout_us = 0;
    uint32_t adopted_generation = 0;
  };
  struct LoadRows;

  void rebalance();
  void adopt(Member& member, uint32_t generation);
  void remove(const std::string& name);
  void expire(Member& member);
  template <class Request>
  void answer(std::unique_ptr<Request> request, const Member& member, bool knows_its_own);
  std::vector<AssignedPartition> effective(const std::string& member) const;
  Error check_commit(const CommitOffsets& request) const;

  GroupPtr record_;
  TopicPtr topic_;
  Ctx* const ctx_;
  State state_ = State::loading;
  std::map<std::string, std::unique_ptr<Member>> members_;
  Assignment target_;
  std::map<PartitionId, std::string> holder_;  // who may still be reading it
  std::map<PartitionId, Offset> committed_;    // durable
  struct Uncommitted {
    uint64_t sequence;
    PartitionId partition;
    Offset offset;
    std::string member;  // empty: no member's
  };
  std::deque<Uncommitted> uncommitted_;
  uint32_t generation_ = 0;
  uint64_t members_named_ = 0;
};

}  // namespace headrace::core

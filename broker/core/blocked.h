// The events of one cursor that are out of attempts while the dead letters of their group are full:
// rows of the family retry that are never due. They count as settled, are not delivered again, and
// move to the dead letters in the order of their offsets as soon as there is space: each in one
// set, so a crash in between leaves an event here or there.
//
// Lives on: owner shard, inside its cursor.
#pragma once

#include "broker/core/api_acked.h"
#include "broker/core/log_reader.h"
#include "broker/core/retry_queue.h"

namespace headrace::core {

class AckedGroup;

class Blocked {
 public:
  Blocked(AckedGroup* group, PartitionId partition, LaneId lane, Ctx* ctx);

  // Into this turn's set. Without attempts it was never delivered: `reason` says why.
  void put(Offset offset, std::vector<AttemptRecord> attempts, FailureReason reason,
           std::string error);
  // Moves what has space, at most kBlockedMoves events or kBlockedMoveBytes: the next commit, or
  // the answer of the read that it waits for, goes on.
  void move();
  // Its row goes with this turn's set.
  void remove(const RetryEntry& entry);
  RetryQueue& rows() { return rows_; }
  const RetryQueue& rows() const { return rows_; }
  bool owns(const Fetch& fetch) const { return reader_.owns(fetch); }
  void on_fetched(Fetch& fetch);

  int64_t count() const { return static_cast<int64_t>(rows_.count()); }
  void set_count(uint64_t count);  // as loaded with the group's row
  const Error& error() const { return reader_.error(); }

 private:
  bool move_one();

  AckedGroup* const group_;
  const PartitionId partition_;
  const LaneId lane_;
  Ctx* const ctx_;
  RetryQueue rows_;
  LogReader reader_;
};

}  // namespace headrace::core

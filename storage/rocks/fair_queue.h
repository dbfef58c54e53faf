// Sets that wait for the writer. Those of one shard keep their order; between shards the tenant
// goes first that was given the least for its weight (storage/fair_clock.h), and among the shards
// of one tenant the one that waits longest. A set of several tenants counts for the first whose
// events it holds.
//
// Lives on: the committer's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "storage/fair_clock.h"
#include "storage/publishers_watch.h"
#include "storage/rocks/syncer.h"

namespace headrace::storage {

class FairQueue {
 public:
  void push(const Submitted& set, int64_t now_us);
  bool empty() const { return turn_.empty(); }
  size_t bytes() const { return bytes_; }
  // Events of more than one tenant came lately: then groups are kept short, so that none of them
  // waits long behind another's.
  bool shared(int64_t now_us) const { return publishers_.shared(now_us); }

  // The set whose turn it is, of all, of those without events, or of tenants that have nothing
  // ahead, if it fits `room`. Nullptr: none, or it does not fit. It stays until it is popped.
  enum class Of : uint8_t { all, without_events, not_ahead };
  const Submitted* next(size_t room, Of of);
  Submitted pop();  // what next() gave; its tenant has something ahead from now on
  void nothing_ahead() { ahead_.clear(); }

 private:
  struct Waiting {
    Submitted set;
    TenantId tenant;
    uint32_t weight = 1;
    bool events = false;
  };

  std::unordered_map<ShardId, std::deque<Waiting>> shards_;
  std::deque<ShardId> turn_;  // shards with sets, the one that waits longest first
  FairClock clock_;
  PublishersWatch publishers_;
  size_t chosen_ = 0;  // index into turn_
  size_t bytes_ = 0;
  std::unordered_set<TenantId> ahead_;
};

}  // namespace headrace::storage

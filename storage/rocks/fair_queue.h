// Sets that wait for the writer. Those of one shard keep their order; between shards the tenant
// goes first that was given the least for its weight (start-time fair queueing), and among the
// shards of one tenant the one that waits longest.
//
// A tenant that comes after a while begins where the others are: what it did not use is not saved
// up. A set of several tenants counts for the first whose events it holds.
//
// Lives on: the committer's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "storage/rocks/syncer.h"

namespace headrace::storage {

class FairQueue {
 public:
  void push(const Submitted& set, int64_t now_us);
  bool empty() const { return turn_.empty(); }
  size_t bytes() const { return bytes_; }
  // Events of more than one tenant came lately: then groups are kept short, so that none of them
  // waits long behind another's.
  bool shared(int64_t now_us) const { return now_us < shared_until_us_; }

  // The set whose turn it is, if it fits `room`; with `without_events` of those without. Nullptr:
  // none, or it does not fit. It stays until it is popped.
  const Submitted* next(size_t room, bool without_events);
  Submitted pop();  // what next() gave

 private:
  struct Waiting {
    Submitted set;
    TenantId tenant;
    uint32_t weight = 1;
    bool events = false;
  };
  struct Tenant {
    double served = 0;  // bytes by weight, on a scale that all have in common
  };

  double start_of(const Waiting& head) const;

  std::unordered_map<ShardId, std::deque<Waiting>> shards_;
  std::deque<ShardId> turn_;  // shards with sets, the one that waits longest first
  std::unordered_map<TenantId, Tenant> tenants_;
  double now_ = 0;     // start of the set that went last, on the same scale
  size_t chosen_ = 0;  // index into turn_
  size_t bytes_ = 0;
  TenantId last_tenant_{UINT32_MAX};  // whose events came last
  int64_t shared_until_us_ = 0;
};

}  // namespace headrace::storage

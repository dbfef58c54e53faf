// Publishes that wait because the set being written is full. Those of one tenant keep their order;
// between tenants the one goes first that was given the least for its weight
// (storage/fair_clock.h): a tenant that floods waits behind itself. What waits is bounded, and the
// bound is shared by tenants (storage/fair_bound.h).
//
// Lives on: the shard's reactor, inside its objects.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "broker/core/api.h"
#include "storage/fair_clock.h"

namespace headrace::core {

class PublishQueue {
 public:
  struct Waiting {
    RequestPtr request;
    int64_t bytes = 0;
    uint32_t weight = 1;  // of its tenant
  };

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // Whether one more of the tenant may wait, of `most` of all tenants; then busy.
  bool admits(TenantId tenant, size_t most) const;
  void push(TenantId tenant, Waiting waiting);
  Waiting pop();  // not empty
  // Takes everything, in no order that matters.
  std::deque<RequestPtr> take_all();

 private:
  std::map<TenantId, std::deque<Waiting>> lines_;  // of tenants that wait
  std::set<std::pair<double, TenantId>> order_;    // of them, by start
  FairClock clock_;                                // counts bytes
  size_t size_ = 0;
};

}  // namespace headrace::core

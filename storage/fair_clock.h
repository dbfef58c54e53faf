// Start-time fair queueing, for whoever serves several tenants one after the other: the one goes
// first whose start is least, and being served moves its start on by what it was given, divided by
// its weight. Between two tenants that both wait all the time what they were given differs, by
// weight, by no more than the largest thing of each.
//
// A tenant that comes after a while starts where the others are: what it did not use is not saved
// up. Plain value; one thread.
#pragma once

#include <algorithm>
#include <unordered_map>

#include "storage/types.h"

namespace headrace {

class FairClock {
 public:
  // Where the next thing of the tenant begins, on a scale that all have in common: amount by
  // weight. It stands still for a tenant that waits, as long as the one with the least is served.
  double start_of(TenantId tenant) const {
    const auto known = end_.find(tenant);
    return known == end_.end() ? now_ : std::max(now_, known->second);
  }
  void serve(TenantId tenant, double amount, uint32_t weight) {
    now_ = start_of(tenant);
    end_[tenant] = now_ + amount / weight;
  }
  // Nobody waits any more: all begin anew.
  void reset() {
    end_.clear();
    now_ = 0;
  }

 private:
  std::unordered_map<TenantId, double> end_;  // of what it was given last
  double now_ = 0;                            // start of what was served last
};

}  // namespace headrace

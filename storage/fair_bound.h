// How a bound of the node is shared by tenants: whoever has fewer than are still free may have one
// more. So one tenant alone gets half of the bound, n that want all they can get 1/(n + 1) of it
// each, and as much stays free for the next one: with fewer tenants than the bound has places, one
// that has none is never refused because of what others have. (Dynamic thresholds, as shared
// buffers of switches have them; no tenant needs a number of its own.)
//
// The broker's own work (kNodeTenant) may use all of it. Plain value; one thread, or a lock around.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "storage/types.h"

namespace headrace {

class FairBound {
 public:
  explicit FairBound(size_t most) : most_(most) {}

  // For whoever counts by himself.
  static bool admits(size_t own, size_t all, size_t most) { return all < most && own < most - all; }

  bool admits(TenantId tenant) const {
    return tenant == kNodeTenant ? all_ < most_ : admits(of(tenant), all_, most_);
  }
  void add(TenantId tenant) {
    ++of_[tenant];
    ++all_;
  }
  void remove(TenantId tenant) {
    const auto known = of_.find(tenant);
    if (known == of_.end()) return;
    --all_;
    if (--known->second == 0) of_.erase(known);
  }
  size_t of(TenantId tenant) const {
    const auto known = of_.find(tenant);
    return known == of_.end() ? 0 : known->second;
  }
  size_t all() const { return all_; }

 private:
  const size_t most_;
  std::unordered_map<TenantId, size_t> of_;  // without those that have none
  size_t all_ = 0;
};

}  // namespace headrace

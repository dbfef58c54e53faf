// Who may go on publishing while the store has more than its budget under way: tenants that have
// less than their share of it, by weight, among those that publish. What they may add is bounded by
// the shares, so that at most twice the budget is under way.
//
// Lives on: the reactor, for a turn.
#pragma once

#include <cstdint>

#include "broker/core/catalog.h"

namespace headrace::core {

class PublishShares {
 public:
  PublishShares(const CatalogSnapshot& catalog, uint64_t budget_bytes)
      : budget_bytes_(static_cast<double>(budget_bytes)) {
    for (const auto& [id, tenant] : catalog.tenants_by_id) {
      if (publishing(*tenant->use) > 0) active_weight_ += weight_of(*tenant->use);
    }
  }

  bool below(const TenantUse& use) const {
    const int64_t bytes = publishing(use);
    const double weight = weight_of(use);
    const double all = active_weight_ + (bytes > 0 ? 0 : weight);
    // Alone it has no share that is kept free for it: the budget itself is its bound.
    if (all <= weight) return false;
    return static_cast<double>(bytes) < budget_bytes_ * weight / all;
  }

 private:
  static int64_t publishing(const TenantUse& use) {
    return use.publishing_bytes.load(std::memory_order_relaxed);
  }
  static double weight_of(const TenantUse& use) {
    return use.weight.load(std::memory_order_relaxed);
  }

  const double budget_bytes_;
  double active_weight_ = 0;
};

}  // namespace headrace::core

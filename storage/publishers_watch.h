// Whether several tenants publish at the time: then sets are kept small, so that none of them waits
// long behind another's. One for the sets of the node, one for the groups of the committer.
//
// Any thread; two atomics, which only change when another tenant publishes.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage/types.h"

namespace headrace {

class PublishersWatch {
 public:
  static constexpr int64_t kSharedUs = 1'000'000;  // so long two count as beside each other

  void note(TenantId tenant, int64_t now_mono_us) {
    const uint32_t last = last_.load(std::memory_order_relaxed);
    if (last == tenant.value()) return;
    last_.store(tenant.value(), std::memory_order_relaxed);
    if (last == kNobody) return;
    shared_until_us_.store(now_mono_us + kSharedUs, std::memory_order_relaxed);
  }
  bool shared(int64_t now_mono_us) const {
    return now_mono_us < shared_until_us_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;
  std::atomic<uint32_t> last_{kNobody};
  std::atomic<int64_t> shared_until_us_{INT64_MIN};
};

}  // namespace headrace

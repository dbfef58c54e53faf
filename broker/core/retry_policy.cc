#include "broker/core/retry_policy.h"

#include <algorithm>
#include <cmath>

#include "metrics/check.h"
#ifdef HEADRACE_PLANTED
#include "metrics/planted.h"
#endif

namespace headrace::core {
namespace {

// The finaliser of splitmix64: evenly spread from any seed.
double unit_of(uint64_t seed) {
  seed += 0x9e3779b97f4a7c15ULL;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
  seed ^= seed >> 31;
  return static_cast<double>(seed >> 11) * 0x1.0p-53;
}

}  // namespace

int64_t retry_delay_us(const RetryPolicy& policy, uint32_t failures, uint64_t seed) {
  HR_CHECK(failures > 0);
  double delay_us = 0;
  if (!policy.delays_us.empty()) {
    const size_t at = std::min<size_t>(failures, policy.delays_us.size()) - 1;
    delay_us = static_cast<double>(policy.delays_us[at]);
  } else {
    delay_us = static_cast<double>(policy.base_us) * std::pow(policy.factor, failures);
    delay_us = std::min(delay_us, static_cast<double>(policy.cap_us));  // infinity, too
  }
  delay_us *= 1 + policy.jitter * unit_of(seed * 31 + failures);
#ifdef HEADRACE_PLANTED
  // A planted bug that the simulation must find: what failed is tried again at once.
  if (planted("retries")) return 0;
#endif
  return static_cast<int64_t>(delay_us);
}

}  // namespace headrace::core

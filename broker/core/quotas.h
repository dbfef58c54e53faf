// What a tenant may use, and what it uses. The limits are part of the tenant's record; the use is
// counted here by every reactor that serves the tenant. docs/quotas.md, docs/adr/0021-quotas.md.
//
// Quotas: plain values. RateBucket and TenantUse: any thread; they hold only atomics, nobody waits
// for anybody. A TenantUse is made with the tenant and shared by all snapshots of the catalog.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "broker/core/error.h"

namespace headrace::core {

enum class Quota : uint8_t {
#define HR_QUOTA(number, name, unit, text) name,
#include "json/quotas.def"
#undef HR_QUOTA
  count_
};
constexpr size_t kQuotas = static_cast<size_t>(Quota::count_);

struct QuotaInfo {
  Quota quota;
  uint32_t number;  // persistent
  std::string_view name;
  bool bytes;  // else a count
  std::string_view text;
};
const QuotaInfo& info(Quota quota);

struct Quotas {
  std::array<int64_t, kQuotas> limits{};  // 0: none
  uint32_t weight = 1;                    // share beside other tenants, where all want more

  int64_t of(Quota quota) const { return limits[static_cast<size_t>(quota)]; }
  void set(Quota quota, int64_t limit) { limits[static_cast<size_t>(quota)] = limit; }
  bool operator==(const Quotas&) const = default;
};
// invalid_request, naming the quota.
Error check_quotas(const Quotas& quotas);

// A change of some of them; what is not given stays.
struct QuotaChanges {
  std::array<std::optional<int64_t>, kQuotas> limits;
  std::optional<uint32_t> weight;

  Quotas applied_to(Quotas quotas) const;
};

// A token bucket that holds one second's worth, kept as the time at which it will be full again
// (the generic cell rate algorithm), in one word. Whoever finds it not empty may take more than it
// holds: a batch larger than the bucket passes, and those behind it wait until that is made good.
class RateBucket {
 public:
  // 0: take() is allowed now; else in so long. `now_us` is monotonic.
  int64_t wait_us(int64_t now_us) const;
  void take(int64_t now_us, int64_t amount, int64_t per_s);
  // The rate was `before`, 0: none. What was taken is made good at the new one if that is sooner.
  void change_rate(int64_t now_us, int64_t before, int64_t after);

 private:
  std::atomic<int64_t> full_at_ns_{0};
};

struct alignas(64) TenantUse {
  RateBucket bytes;
  RateBucket events;
  std::atomic<int64_t> stored_bytes{0};       // of partitions that are loaded
  std::atomic<int64_t> stored_partitions{0};  // how many these are
  std::atomic<bool> stored_known{false};      // once they were all
  std::atomic<int64_t> connections{0};
  std::atomic<int64_t> in_flight{0};         // as Quota::in_flight
  std::atomic<int64_t> publishing_bytes{0};  // received and not answered
  std::atomic<uint32_t> weight{1};           // as in the newest quotas
  std::array<std::atomic<uint64_t>, kQuotas> denials{};

  void deny(Quota quota);  // counts
};
using TenantUsePtr = std::shared_ptr<TenantUse>;

// The use follows the quotas. When they are durable: a change that is lost changes nothing.
void adopt_quotas(const Quotas& before, const Quotas& after, TenantUse* use, int64_t now_mono_us);

// quota_exceeded with the time after which it is worth trying again, and counted.
Error rate_exceeded(Quota quota, const Quotas& quotas, TenantUse* use, int64_t wait_us);
// quota_reached: it has as much as it may; counted.
Error quota_reached(Quota quota, const Quotas& quotas, TenantUse* use);
// Takes a publish out of the buckets, or says why not; then nothing was taken.
Error admit_publish(const Quotas& quotas, TenantUse* use, int64_t events, int64_t bytes,
                    int64_t now_mono_us);

}  // namespace headrace::core

#include "broker/core/quotas.h"

#include <algorithm>
#include <string>

#include "broker/limits.h"
#include "metrics/check.h"
#include "metrics/counters.h"
#include "metrics/quantity.h"
#include "metrics/time.h"

namespace headrace::core {
namespace {

constexpr bool kQuotaInbytes = true;
constexpr bool kQuotaIncount = false;
constexpr QuotaInfo kQuotaTable[] = {
#define HR_QUOTA(number, name, unit, text) {Quota::name, number, #name, kQuotaIn##unit, text},
#include "json/quotas.def"
#undef HR_QUOTA
};

constexpr int64_t kNanosPerMicro = 1'000;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

std::string amount(Quota quota, int64_t limit) {
  return info(quota).bytes ? format_size(limit) : std::to_string(limit);
}

Error refuse(ErrorCode code, Quota quota, const Quotas& quotas, TenantUse* use) {
  use->deny(quota);
  return Error(code, std::string(info(quota).name) + " is " + amount(quota, quotas.of(quota)));
}

}  // namespace

const QuotaInfo& info(Quota quota) {
  return kQuotaTable[static_cast<size_t>(quota)];
}

Error check_quotas(const Quotas& quotas) {
  for (const QuotaInfo& row : kQuotaTable) {
    const int64_t limit = quotas.of(row.quota);
    if (limit >= 0 && limit <= limits::kQuotaMax) continue;
    return Error(ErrorCode::invalid_request, "quotas." + std::string(row.name) + ": 0 (none) to " +
                                                 std::to_string(limits::kQuotaMax));
  }
  if (quotas.weight < 1 || quotas.weight > limits::kTenantWeightMax) {
    return Error(ErrorCode::invalid_request,
                 "quotas.weight: 1 to " + std::to_string(limits::kTenantWeightMax));
  }
  return {};
}

Quotas QuotaChanges::applied_to(Quotas quotas) const {
  for (size_t i = 0; i < kQuotas; ++i) quotas.limits[i] = limits[i].value_or(quotas.limits[i]);
  quotas.weight = weight.value_or(quotas.weight);
  return quotas;
}

int64_t RateBucket::wait_us(int64_t now_us) const {
  const int64_t debt_ns = full_at_ns_.load(std::memory_order_relaxed) - now_us * kNanosPerMicro;
  return std::max<int64_t>(0, debt_ns / kNanosPerMicro - limits::kQuotaBurstUs);
}

void RateBucket::take(int64_t now_us, int64_t amount, int64_t per_s) {
  // Rounded up: never more than the quota. Large amounts at small rates would not fit.
  const auto wide = static_cast<__int128>(amount) * kNanosPerSecond / per_s + 1;
  const auto cost_ns = static_cast<int64_t>(
      std::min<__int128>(wide, static_cast<__int128>(limits::kQuotaDebtUsMax) * kNanosPerMicro));
  int64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
  int64_t next = 0;
  do {
    next = std::max(full_at, now_us * kNanosPerMicro) + cost_ns;
  } while (!full_at_ns_.compare_exchange_weak(full_at, next, std::memory_order_relaxed));
}

// A rate that rises makes nobody wait for the old one, one that falls does not make what was told
// (retry_after_ms) untrue, and one that goes leaves nothing behind.
void RateBucket::change_rate(int64_t now_us, int64_t before, int64_t after) {
  if (after != 0 && after <= before) return;
  const int64_t now_ns = now_us * kNanosPerMicro;
  int64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
  int64_t next = 0;
  do {
    const int64_t debt_ns = std::max<int64_t>(full_at - now_ns, 0);
    const auto wide = after == 0 ? 0 : static_cast<__int128>(debt_ns) * before / after;
    next = now_ns + static_cast<int64_t>(wide);
  } while (!full_at_ns_.compare_exchange_weak(full_at, next, std::memory_order_relaxed));
}

void adopt_quotas(const Quotas& before, const Quotas& after, TenantUse* use, int64_t now_mono_us) {
  use->weight.store(after.weight, std::memory_order_relaxed);
  for (const auto& [quota, bucket] : {std::pair(Quota::publish_events_per_s, &use->events),
                                      std::pair(Quota::publish_bytes_per_s, &use->bytes)}) {
    if (before.of(quota) == after.of(quota)) continue;
    bucket->change_rate(now_mono_us, before.of(quota), after.of(quota));
  }
}

void TenantUse::deny(Quota quota) {
  denials[static_cast<size_t>(quota)].fetch_add(1, std::memory_order_relaxed);
  metrics::add(metrics::Counter::quota_denials);
}

Error rate_exceeded(Quota quota, const Quotas& quotas, TenantUse* use, int64_t wait_us) {
  Error error = refuse(ErrorCode::quota_exceeded, quota, quotas, use);
  const int64_t wait_ms = (wait_us + kMicrosPerMilli - 1) / kMicrosPerMilli;
  error.retry_after_ms = static_cast<uint32_t>(std::clamp<int64_t>(wait_ms, 1, UINT32_MAX));
  return error;
}

Error quota_reached(Quota quota, const Quotas& quotas, TenantUse* use) {
  return refuse(ErrorCode::quota_reached, quota, quotas, use);
}

Error admit_publish(const Quotas& quotas, TenantUse* use, int64_t events, int64_t bytes,
                    int64_t now_mono_us) {
  const int64_t stored = quotas.of(Quota::stored_bytes);
  if (stored > 0 && use->stored_bytes.load(std::memory_order_relaxed) >= stored) {
    return quota_reached(Quota::stored_bytes, quotas, use);
  }
  const int64_t events_per_s = quotas.of(Quota::publish_events_per_s);
  const int64_t bytes_per_s = quotas.of(Quota::publish_bytes_per_s);
  if (events_per_s > 0) {
    const int64_t wait_us = use->events.wait_us(now_mono_us);
    if (wait_us > 0) return rate_exceeded(Quota::publish_events_per_s, quotas, use, wait_us);
  }
  if (bytes_per_s > 0) {
    const int64_t wait_us = use->bytes.wait_us(now_mono_us);
    if (wait_us > 0) return rate_exceeded(Quota::publish_bytes_per_s, quotas, use, wait_us);
  }
  if (events_per_s > 0) use->events.take(now_mono_us, events, events_per_s);
  if (bytes_per_s > 0) use->bytes.take(now_mono_us, bytes, bytes_per_s);
  return {};
}

}  // namespace headrace::core

// What the members of one acked group hold, within the sum of its tenant (TenantUse), and when to
// look again whether the tenant's quota leaves room: other groups give room in other shards.
//
// Lives on: the group's reactor; the sum is everybody's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "broker/core/ctx.h"
#include "broker/limits.h"

namespace headrace::core {

class HeldShare final : public Timer {
 public:
  HeldShare(TenantId tenant, Ctx* ctx, std::function<void()> again)
      : tenant_(tenant), ctx_(ctx), again_(std::move(again)) {
    if (const TenantPtr known = ctx->catalog()->tenant(tenant)) use_ = known->use;
  }
  ~HeldShare() override { end(); }
  HeldShare(const HeldShare&) = delete;
  HeldShare& operator=(const HeldShare&) = delete;

  // How many more may be handed out. If none, `again` is called in a while.
  int64_t room() {
    const auto& tenants = ctx_->catalog()->tenants_by_id;
    const auto found = tenants.find(tenant_);
    if (use_ == nullptr || found == tenants.end()) return std::numeric_limits<int64_t>::max();
    const Quotas& quotas = found->second->quotas;
    const int64_t limit = quotas.of(Quota::in_flight);
    if (limit == 0) return std::numeric_limits<int64_t>::max();
    const int64_t room = limit - use_->in_flight.load(std::memory_order_relaxed);
    if (room > 0 || armed_) return std::max<int64_t>(room, 0);
    use_->deny(Quota::in_flight);
    armed_ = true;
    ctx_->arm(this, ctx_->now().mono_us + limits::kQuotaLookUs);
    return 0;
  }
  void add(int64_t events) {
    if (use_ == nullptr) return;
    held_ += events;
    use_->in_flight.fetch_add(events, std::memory_order_relaxed);
  }
  void end() {
    if (armed_) ctx_->disarm(this);
    armed_ = false;
    add(-held_);
  }

  void on_timer(Time) override {
    armed_ = false;
    again_();
  }

 private:
  const TenantId tenant_;
  Ctx* const ctx_;
  const std::function<void()> again_;
  TenantUsePtr use_;  // null: the tenant is gone
  int64_t held_ = 0;
  bool armed_ = false;
};

}  // namespace headrace::core

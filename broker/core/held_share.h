// What the members of one acked group hold, within the sum of its tenant (TenantUse), and what it
// may hand out now: as much as the tenant's quota and its share of the turn leave. When to look
// again if they leave nothing: other groups give room in other shards, and there is a next turn.
//
// Lives on: the group's reactor; the sum is everybody's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "broker/core/ctx.h"
#include "broker/core/turn_shares.h"
#include "broker/limits.h"

namespace headrace::core {

class HeldShare final : public Timer {
 public:
  HeldShare(TenantId tenant, Ctx* ctx, TurnShares* turns, std::function<void()> again)
      : tenant_(tenant), ctx_(ctx), turns_(turns), again_(std::move(again)) {
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
    const int64_t of_quota = limit == 0 ? std::numeric_limits<int64_t>::max()
                                        : limit - use_->in_flight.load(std::memory_order_relaxed);
    if (of_quota <= 0) {
      if (!armed_) use_->deny(Quota::in_flight);
      look_again(limits::kQuotaLookUs);
      return 0;
    }
    const int64_t of_turn = turns_->room(tenant_, quotas.weight, ctx_->now().mono_us);
    if (of_turn == 0) look_again(0);
    return std::min(of_quota, of_turn);
  }
  // How many deliveries may expire: that is not for the quota to hold up.
  int64_t room_to_expire() {
    const uint32_t weight = use_ == nullptr ? 1 : use_->weight.load(std::memory_order_relaxed);
    return turns_->room(tenant_, weight, ctx_->now().mono_us);
  }
  void spend_turn(int64_t events) { turns_->spend(tenant_, events); }

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
  void look_again(int64_t in_us) {
    if (armed_) return;
    armed_ = true;
    ctx_->arm(this, ctx_->now().mono_us + in_us);
  }

  const TenantId tenant_;
  Ctx* const ctx_;
  TurnShares* const turns_;
  const std::function<void()> again_;
  TenantUsePtr use_;  // null: the tenant is gone
  int64_t held_ = 0;
  bool armed_ = false;
};

}  // namespace headrace::core

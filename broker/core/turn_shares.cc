#include "broker/core/turn_shares.h"

#include <algorithm>
#include <utility>

#ifdef HEADRACE_PLANTED
#include "metrics/planted.h"
#endif

namespace headrace::core {

int64_t TurnShares::room(TenantId tenant, uint32_t weight, int64_t now_mono_us) {
  if (now_mono_us != turn_mono_us_) {
    turn_mono_us_ = now_mono_us;
    std::erase_if(now_, [](const auto& one) { return !one.second.wanted(); });
    before_ = std::exchange(now_, {});
    weights_ = 0;
    for (const auto& [id, share] : before_) weights_ += share.weight;
  }
  const auto [at, fresh] = now_.try_emplace(tenant);
  Share& share = at->second;
  if (fresh) {
    share.weight = weight;
    share.counted = before_.contains(tenant);
  }
  const int64_t all = weights_ + (share.counted ? 0 : weight);
  int64_t most = std::max<int64_t>(events_ * weight / all, 1);
#ifdef HEADRACE_PLANTED
  // A planted bug that the simulation must find: whoever comes first has the whole turn.
  if (planted("turns")) {
    most = events_;
    for (const auto& [id, other] : now_) most -= id == tenant ? 0 : other.given;
  }
#endif
  const int64_t room = std::max<int64_t>(most - share.given, 0);
  share.refused = share.refused || room == 0;
  if (share.refused) count(&share);
  return room;
}

void TurnShares::spend(TenantId tenant, int64_t events) {
  Share& share = now_[tenant];
  share.given += events;
  count(&share);
}

void TurnShares::count(Share* share) {
  if (!share->counted) weights_ += share->weight;
  share->counted = true;
}

}  // namespace headrace::core

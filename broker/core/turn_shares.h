// What the acked groups of a reactor do in one turn without being held up by others: events handed
// out (live, retries, replay and redrive jobs) and deliveries whose deadline passed. A turn does so
// many, and while several tenants want some each has its share by weight: a million retries that
// are due at once, or a hundred replay jobs, wait in the turns of their own tenant. What does not
// fit is done in the next turns.
//
// Who wants some is known by the last turn and this one so far; whoever comes anew in a turn has
// his share of it, too, so a turn with n new tenants may do up to 1 + 1/2 + ... + 1/n times as
// much.
//
// Lives on: the reactor, shared by its shards.
#pragma once

#include <cstdint>
#include <map>

#include "storage/types.h"

namespace headrace::core {

class TurnShares {
 public:
  struct Share {
    uint32_t weight = 1;
    int64_t given = 0;     // events in this turn
    bool refused = false;  // it would have taken more
    bool counted = false;  // in the sum of weights
    bool wanted() const { return given > 0 || refused; }
  };

  explicit TurnShares(int64_t events) : events_(events) {}

  // How many more events the tenant may have in the turn that began at `now_mono_us`. One that gets
  // 0 comes again in the next turn.
  int64_t room(TenantId tenant, uint32_t weight, int64_t now_mono_us);
  // May be more than there was room for: what is handed out together is not divided.
  void spend(TenantId tenant, int64_t events);

  int64_t events() const { return events_; }
  int64_t turn_mono_us() const { return turn_mono_us_; }
  // Who asked in this turn.
  const std::map<TenantId, Share>& shares() const { return now_; }

 private:
  void count(Share* share);

  const int64_t events_;  // of a turn
  int64_t turn_mono_us_ = -1;
  std::map<TenantId, Share> before_;  // in the last turn
  std::map<TenantId, Share> now_;
  int64_t weights_ = 0;  // of all that wanted some in either
};

}  // namespace headrace::core

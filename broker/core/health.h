// Whether an acked group gets deliveries: healthy → (degraded → failing →) quarantined → probing →
// healthy; disabled by hand. Pure; the group writes its row in the set of what moved it.
//
// Trips after kFailuresBeforeQuarantine consecutive failures over distinct events of the live lane:
// two poison events that fail again and again are two. A success of an attempt that started after
// the last counted failure clears the count. Times: wall clock, but for the two mono ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/api.h"

namespace headrace::records {
class GroupHealth;
}

namespace headrace::core {

class Health {
 public:
  using Event = std::pair<PartitionId, Offset>;

  // The state as people see it; blocked is the group's own affair.
  GroupState state() const;
  bool delivers() const { return state_ == State::healthy; }
  bool probes() const { return state_ == State::probing; }
  // Whether how an attempt ends says something about the handler as it is now.
  bool counts(int64_t started_mono_us) const {
    return state_ == State::healthy ||
           (state_ == State::probing && started_mono_us >= last_failure_mono_us_);
  }
  bool quarantined() const { return state_ == State::quarantined || probes(); }
  // True if this one stopped the group.
  bool on_failure(const Event& event, const GroupOptions& options, Time now);
  // True if anything changed.
  bool on_success(int64_t started_mono_us);
  // The cool-down is over: true if the group probes from now on.
  bool tick(int64_t now_us);
  // The probe came back without an outcome, or the broker started again: another cool-down.
  void probe_lost(const GroupOptions& options, int64_t now_us);

  void disable(std::string reason);
  void enable();
  void probe();

  bool is_failing(const Event& event) const;
  uint32_t consecutive_failures() const { return static_cast<uint32_t>(failing_.size()); }
  int64_t cooldown_ends_us() const { return cooldown_ends_us_; }
  const std::string& reason() const { return reason_; }

  void encode(records::GroupHealth* row) const;
  void decode(const records::GroupHealth& row, const GroupOptions& options, int64_t now_us);

 private:
  enum class State : uint8_t { healthy = 0, quarantined = 3, probing = 4, disabled = 5 };

  void quarantine(const GroupOptions& options, int64_t now_us);

  State state_ = State::healthy;
  std::vector<Event> failing_;  // distinct, at most kFailuresBeforeQuarantine
  int64_t last_failure_mono_us_ = INT64_MIN;
  int64_t cooldown_ends_us_ = 0;
  int64_t next_cooldown_us_ = 0;  // 0: the option's
  std::string reason_;
};

}  // namespace headrace::core

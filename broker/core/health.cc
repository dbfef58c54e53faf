#include "broker/core/health.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/big_endian.h"
#include "records.pb.h"

namespace headrace::core {
namespace {

constexpr uint32_t kFailingFrom = 3;  // failures in a row; below: degraded

std::string bytes_of(const Health::Event& event) {
  std::string bytes(sizeof(uint32_t) + sizeof(int64_t), '\0');
  auto* at = reinterpret_cast<std::byte*>(bytes.data());
  store_be(at, event.first.value());
  store_be(at + sizeof(uint32_t), event.second.value());
  return bytes;
}

}  // namespace

std::string_view to_string(GroupState state) {
  switch (state) {
    case GroupState::healthy:
      return "healthy";
    case GroupState::degraded:
      return "degraded";
    case GroupState::failing:
      return "failing";
    case GroupState::quarantined:
      return "quarantined";
    case GroupState::probing:
      return "probing";
    case GroupState::disabled:
      return "disabled";
    case GroupState::blocked:
      return "blocked";
  }
  return "invalid";
}

GroupState Health::state() const {
  if (state_ != State::healthy) return static_cast<GroupState>(state_);
  if (failing_.empty()) return GroupState::healthy;
  return failing_.size() < kFailingFrom ? GroupState::degraded : GroupState::failing;
}

bool Health::is_failing(const Event& event) const {
  return std::find(failing_.begin(), failing_.end(), event) != failing_.end();
}

bool Health::on_failure(const Event& event, const GroupOptions& options, Time now) {
  last_failure_mono_us_ = now.mono_us;
  if (!is_failing(event) && failing_.size() < limits::kFailuresBeforeQuarantine) {
    failing_.push_back(event);
  }
  const bool trips =
      state_ == State::probing ||
      (state_ == State::healthy && failing_.size() >= limits::kFailuresBeforeQuarantine);
  if (!trips) return false;
  reason_ = state_ == State::probing
                ? "the probe failed"
                : std::to_string(failing_.size()) + " consecutive failures over distinct events";
  quarantine(options, now.wall_us);
  return true;
}

bool Health::on_success(int64_t started_mono_us) {
  if (!counts(started_mono_us) || started_mono_us < last_failure_mono_us_) return false;
  if (state_ == State::healthy && failing_.empty()) return false;
  enable();
  return true;
}

bool Health::tick(int64_t now_us) {
  if (state_ != State::quarantined || now_us < cooldown_ends_us_) return false;
  state_ = State::probing;
  return true;
}

void Health::probe_lost(const GroupOptions& options, int64_t now_us) {
  if (state_ == State::probing) quarantine(options, now_us);
}

void Health::quarantine(const GroupOptions& options, int64_t now_us) {
  state_ = State::quarantined;
  const int64_t cooldown_us = next_cooldown_us_ > 0 ? next_cooldown_us_ : options.cooldown_us;
  cooldown_ends_us_ = now_us + cooldown_us;
  next_cooldown_us_ = std::min(cooldown_us * 2, limits::kCooldownUsMax);
}

void Health::disable(std::string reason) {
  state_ = State::disabled;
  reason_ = std::move(reason);
}

void Health::enable() {
  state_ = State::healthy;
  failing_.clear();
  cooldown_ends_us_ = 0;
  next_cooldown_us_ = 0;
  reason_.clear();
}

void Health::probe() {
  state_ = State::probing;
  cooldown_ends_us_ = 0;
}

void Health::encode(records::GroupHealth* row) const {
  row->set_state(static_cast<uint32_t>(state_));
  for (const Event& event : failing_) row->add_failing(bytes_of(event));
  row->set_cooldown_ends_us(cooldown_ends_us_);
  row->set_cooldown_us(next_cooldown_us_);
  row->set_reason(reason_);
}

void Health::decode(const records::GroupHealth& row, const GroupOptions& options, int64_t now_us) {
  state_ = static_cast<State>(row.state());
  failing_.clear();
  for (const auto& bytes : row.failing()) {
    if (bytes.size() != sizeof(uint32_t) + sizeof(int64_t)) continue;
    const auto* at = reinterpret_cast<const std::byte*>(bytes.data());
    failing_.emplace_back(load_be<uint32_t>(at), load_be<int64_t>(at + sizeof(uint32_t)));
  }
  cooldown_ends_us_ = row.cooldown_ends_us();
  next_cooldown_us_ = row.cooldown_us();
  reason_ = row.reason();
  probe_lost(options, now_us);
}

}  // namespace headrace::core

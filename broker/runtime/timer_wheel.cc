#include "broker/runtime/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "broker/limits.h"
#include "metrics/check.h"

namespace headrace::runtime {

TimerWheel::TimerWheel(int64_t now_mono_us) : origin_mono_us_(now_mono_us) {}

TimerWheel::~TimerWheel() {
  auto clear = [](Slot& slot) {
    for (core::Timer* timer = slot.first; timer != nullptr;) {
      core::Timer* next = timer->wheel_next;
      timer->wheel_next = timer->wheel_previous = nullptr;
      timer->deadline_mono_us = -1;
      timer = next;
    }
  };
  for (auto& level : slots_) std::for_each(level.begin(), level.end(), clear);
  clear(firing_);
}

uint64_t TimerWheel::tick_of(int64_t mono_us) const {
  const int64_t since = std::max<int64_t>(mono_us - origin_mono_us_, 0);
  return static_cast<uint64_t>((since + limits::kWheelTickUs - 1) / limits::kWheelTickUs);
}

void TimerWheel::arm(core::Timer* timer, int64_t deadline_mono_us) {
  deadline_mono_us = std::max<int64_t>(deadline_mono_us, 0);
  if (timer->deadline_mono_us == deadline_mono_us) return;
  disarm(timer);
  timer->deadline_mono_us = deadline_mono_us;
  // While the wheel turns, one that is overdue waits for the next turn, or it would fire again and
  // again, once for every tick of a long sleep.
  if (now_tick_ < target_tick_ && tick_of(deadline_mono_us) <= now_tick_) {
    timer->deadline_mono_us =
        origin_mono_us_ + static_cast<int64_t>(target_tick_ + 1) * limits::kWheelTickUs;
  }
  place(timer);
  ++size_;
}

void TimerWheel::place(core::Timer* timer) {
  const uint64_t tick = std::max(tick_of(timer->deadline_mono_us), now_tick_ + 1);
  // The level is that of the highest bit group in which the tick differs from now: such a slot is
  // ahead of the level's hand and is emptied exactly when the hand reaches it.
  const uint64_t horizon = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  const uint64_t target = std::min(tick, (now_tick_ + 1) | horizon);
  const uint64_t difference = target ^ now_tick_;
  const int level =
      difference == 0 ? 0 : std::min((63 - std::countl_zero(difference)) / kSlotBits, kLevels - 1);
  const uint64_t index = (target >> (kSlotBits * level)) & (kSlots - 1);
  Slot& slot = slots_[static_cast<size_t>(level)][index];
  timer->wheel_slot =
      static_cast<int16_t>(level * static_cast<int>(kSlots) + static_cast<int>(index));
  timer->wheel_previous = nullptr;
  timer->wheel_next = slot.first;
  if (slot.first != nullptr) slot.first->wheel_previous = timer;
  slot.first = timer;
  occupied_[static_cast<size_t>(level)] |= uint64_t{1} << index;
}

void TimerWheel::unlink(core::Timer* timer) {
  if (timer->wheel_next != nullptr) timer->wheel_next->wheel_previous = timer->wheel_previous;
  if (timer->wheel_previous != nullptr) {
    timer->wheel_previous->wheel_next = timer->wheel_next;
  } else if (timer->wheel_slot < 0) {
    firing_.first = timer->wheel_next;
  } else {
    const auto level = static_cast<size_t>(timer->wheel_slot) / kSlots;
    const auto index = static_cast<size_t>(timer->wheel_slot) % kSlots;
    slots_[level][index].first = timer->wheel_next;
    if (timer->wheel_next == nullptr) occupied_[level] &= ~(uint64_t{1} << index);
  }
  timer->wheel_next = timer->wheel_previous = nullptr;
}

void TimerWheel::disarm(core::Timer* timer) {
  if (timer->deadline_mono_us < 0) return;
  unlink(timer);
  timer->deadline_mono_us = -1;
  --size_;
}

// Puts every timer of the slot under the level's hand one or more levels down.
void TimerWheel::cascade(int level) {
  const auto at = static_cast<size_t>(level);
  const uint64_t index = (now_tick_ >> (kSlotBits * level)) & (kSlots - 1);
  core::Timer* timer = slots_[at][index].first;
  slots_[at][index].first = nullptr;
  occupied_[at] &= ~(uint64_t{1} << index);
  while (timer != nullptr) {
    core::Timer* next = timer->wheel_next;
    timer->wheel_next = timer->wheel_previous = nullptr;
    if (tick_of(timer->deadline_mono_us) <= now_tick_) {
      timer->wheel_slot = -1;
      timer->wheel_next = firing_.first;
      if (firing_.first != nullptr) firing_.first->wheel_previous = timer;
      firing_.first = timer;
    } else {
      place(timer);
    }
    timer = next;
  }
}

size_t TimerWheel::advance(Time now) {
  const int64_t since = std::max<int64_t>(now.mono_us - origin_mono_us_, 0);
  target_tick_ = static_cast<uint64_t>(since / limits::kWheelTickUs);
  size_t fired = 0;
  while (now_tick_ < target_tick_) {
    now_tick_ = std::min(next_tick(), target_tick_);  // nothing is in between
    for (int level = kLevels - 1; level >= 1; --level) {
      if ((now_tick_ & ((uint64_t{1} << (kSlotBits * level)) - 1)) == 0) cascade(level);
    }
    cascade(0);
    while (firing_.first != nullptr) {
      core::Timer* timer = firing_.first;
      disarm(timer);
      timer->on_timer(now);
      ++fired;
    }
  }
  return fired;
}

int64_t TimerWheel::next_deadline_mono_us() const {
  if (size_ == 0) return INT64_MAX;
  return origin_mono_us_ + static_cast<int64_t>(next_tick()) * limits::kWheelTickUs;
}

// When the hand of any level reaches the next occupied slot.
uint64_t TimerWheel::next_tick() const {
  uint64_t tick = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    const uint64_t bits = occupied_[static_cast<size_t>(level)];
    if (bits == 0) continue;
    const int shift = kSlotBits * level;
    const uint64_t position = (now_tick_ >> shift) & (kSlots - 1);
    const uint64_t ahead = position == kSlots - 1 ? 0 : bits >> (position + 1);
    // Slots behind the hand (only in the top level) come after it has gone round.
    const uint64_t step =
        ahead != 0 ? 1 + static_cast<uint64_t>(std::countr_zero(ahead)) : kSlots - position;
    tick = std::min(tick, ((now_tick_ >> shift) + step) << shift);
  }
  return tick;
}

}  // namespace headrace::runtime

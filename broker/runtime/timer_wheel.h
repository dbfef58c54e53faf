// Deadlines of one reactor: four levels of 64 slots, a tick of 1 ms, so about 4.6 hours; later
// deadlines wait in the last slot and are put again. Arm and disarm are O(1) without allocation.
//
// Lives on: the reactor. Timers are owned by their objects, which disarm them before they go.
#pragma once

#include <array>
#include <cstdint>

#include "broker/core/ctx.h"

namespace headrace::runtime {

class TimerWheel {
 public:
  explicit TimerWheel(int64_t now_mono_us);
  ~TimerWheel();

  // Never early; late by at most a tick. A timer that is armed already moves.
  void arm(core::Timer* timer, int64_t deadline_mono_us);
  void disarm(core::Timer* timer);

  // Fires what is due, tick by tick. A timer armed meanwhile waits for at least one tick more,
  // and for the next call if it is overdue.
  size_t advance(Time now);

  // A time at which advance() should be called again: not later than the first deadline.
  int64_t next_deadline_mono_us() const;

  size_t size() const { return size_; }

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 6;
  static constexpr uint64_t kSlots = 1u << kSlotBits;

  struct Slot {
    core::Timer* first = nullptr;
  };

  void place(core::Timer* timer);
  void unlink(core::Timer* timer);
  void cascade(int level);
  uint64_t next_tick() const;
  uint64_t tick_of(int64_t mono_us) const;

  int64_t origin_mono_us_;
  uint64_t now_tick_ = 0;
  uint64_t target_tick_ = 0;  // of advance()
  std::array<std::array<Slot, kSlots>, kLevels> slots_;
  std::array<uint64_t, kLevels> occupied_{};  // a bit a slot
  Slot firing_;
  size_t size_ = 0;
};

}  // namespace headrace::runtime

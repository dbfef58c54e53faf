// One direction between two reactors: a bounded ring, one producer, one consumer. Full: push()
// answers false and the caller answers busy (requests) or keeps it for the next turn (replies).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "metrics/check.h"

namespace headrace::runtime {

template <class Letter>
class Mailbox {
 public:
  explicit Mailbox(size_t capacity)
      : mask_(capacity - 1), slots_(std::make_unique<Letter[]>(capacity)) {
    HR_CHECK(capacity > 0 && (capacity & mask_) == 0);
  }

  // Producer. Leaves `letter` untouched when full.
  bool push(Letter&& letter) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) > mask_) return false;
    slots_[tail & mask_] = std::move(letter);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Consumer. At most what was there at the call.
  template <class Take>
  size_t drain(Take&& take) {
    size_t head = head_.load(std::memory_order_relaxed);
    const size_t tail = tail_.load(std::memory_order_acquire);
    const size_t count = tail - head;
    while (head != tail) {
      Letter letter = std::move(slots_[head & mask_]);
      head_.store(++head, std::memory_order_release);
      take(std::move(letter));
    }
    return count;
  }

  bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
  const size_t mask_;
  std::unique_ptr<Letter[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace headrace::runtime

// Fetches that wait for more events of one partition (long poll). Each has a timer; whichever comes
// first answers: enough bytes, or the deadline. One with a slot waits until an event comes that its
// group may want: it costs nothing while others are published.
//
// Lives on: owner shard, inside its Partition.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "broker/core/ctx.h"
#include "broker/core/slot_set.h"

namespace headrace::core {

class FetchQueue {
 public:
  using Expired = std::function<void(std::unique_ptr<Fetch>)>;

  FetchQueue(Ctx* ctx, Expired expired) : ctx_(ctx), expired_(std::move(expired)) {}
  ~FetchQueue();

  size_t size() const { return waiters_.size(); }
  bool waits(uint32_t slot) const { return waiters_.contains(slot); }
  void park(std::unique_ptr<Fetch> fetch);
  // Those without a slot and those of these slots, or all; higher priorities first, else in the
  // order they came. Their timers are off.
  std::vector<std::unique_ptr<Fetch>> take(const SlotSet& slots);
  std::vector<std::unique_ptr<Fetch>> take_all();

 private:
  struct Waiter final : Timer {
    void on_timer(Time) override { queue->expire(this); }
    FetchQueue* queue = nullptr;
    std::multimap<uint32_t, Waiter>::iterator self;
    uint64_t number = 0;
    std::unique_ptr<Fetch> fetch;
  };
  using Waiters = std::multimap<uint32_t, Waiter>;  // by slot
  struct Taken {
    uint64_t number;
    std::unique_ptr<Fetch> fetch;
  };

  void expire(Waiter* waiter);
  void take(Waiters::iterator from, Waiters::iterator to, std::vector<Taken>* taken);
  static std::vector<std::unique_ptr<Fetch>> in_order(std::vector<Taken> taken);

  Ctx* const ctx_;
  Expired expired_;
  Waiters waiters_;
  uint64_t parked_ = 0;  // ever
};

}  // namespace headrace::core

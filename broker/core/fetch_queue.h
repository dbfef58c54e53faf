// Fetches that wait for more events of one partition (long poll). Each has a timer; whichever comes
// first answers: enough bytes, or the deadline.
//
// Lives on: owner shard, inside its Partition.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "broker/core/ctx.h"

namespace headrace::core {

class FetchQueue {
 public:
  using Expired = std::function<void(std::unique_ptr<Fetch>)>;

  FetchQueue(Ctx* ctx, Expired expired) : ctx_(ctx), expired_(std::move(expired)) {}
  ~FetchQueue();

  size_t size() const { return waiters_.size(); }
  void park(std::unique_ptr<Fetch> fetch);
  // All of them, in the order they came; their timers are off.
  std::vector<std::unique_ptr<Fetch>> take_all();

 private:
  struct Waiter final : Timer {
    void on_timer(Time) override { queue->expire(this); }
    FetchQueue* queue = nullptr;
    std::list<Waiter>::iterator self;
    std::unique_ptr<Fetch> fetch;
  };
  void expire(Waiter* waiter);

  Ctx* const ctx_;
  Expired expired_;
  std::list<Waiter> waiters_;
};

}  // namespace headrace::core

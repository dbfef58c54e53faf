#include "broker/core/fetch_queue.h"

#include <algorithm>
#include <tuple>

namespace headrace::core {

FetchQueue::~FetchQueue() {
  for (auto& [slot, waiter] : waiters_) ctx_->disarm(&waiter);
}

void FetchQueue::park(std::unique_ptr<Fetch> fetch) {
  const auto at = waiters_.emplace(std::piecewise_construct, std::forward_as_tuple(fetch->slot),
                                   std::forward_as_tuple());
  Waiter& waiter = at->second;
  waiter.queue = this;
  waiter.self = at;
  waiter.number = ++parked_;
  waiter.fetch = std::move(fetch);
  ctx_->arm(&waiter, waiter.fetch->deadline_mono_us);
}

void FetchQueue::take(Waiters::iterator from, Waiters::iterator to, std::vector<Taken>* taken) {
  for (auto at = from; at != to; ++at) {
    ctx_->disarm(&at->second);
    taken->push_back({at->second.number, std::move(at->second.fetch)});
  }
  waiters_.erase(from, to);
}

std::vector<std::unique_ptr<Fetch>> FetchQueue::in_order(std::vector<Taken> taken) {
  std::ranges::sort(taken, [](const Taken& a, const Taken& b) {
    return std::tuple(-int64_t{a.fetch->priority}, a.number) <
           std::tuple(-int64_t{b.fetch->priority}, b.number);
  });
  std::vector<std::unique_ptr<Fetch>> fetches;
  fetches.reserve(taken.size());
  for (Taken& one : taken) fetches.push_back(std::move(one.fetch));
  return fetches;
}

std::vector<std::unique_ptr<Fetch>> FetchQueue::take(const SlotSet& slots) {
  std::vector<Taken> taken;
  const auto take_slot = [&](uint32_t slot) {
    const auto [from, to] = waiters_.equal_range(slot);
    take(from, to, &taken);
  };
  take_slot(Fetch::kNoSlot);
  slots.for_each(take_slot);
  return in_order(std::move(taken));
}

std::vector<std::unique_ptr<Fetch>> FetchQueue::take_all() {
  std::vector<Taken> taken;
  take(waiters_.begin(), waiters_.end(), &taken);
  return in_order(std::move(taken));
}

void FetchQueue::expire(Waiter* waiter) {
  auto fetch = std::move(waiter->fetch);
  waiters_.erase(waiter->self);
  expired_(std::move(fetch));
}

}  // namespace headrace::core

#include "broker/core/fetch_queue.h"

namespace headrace::core {

FetchQueue::~FetchQueue() {
  for (Waiter& waiter : waiters_) ctx_->disarm(&waiter);
}

void FetchQueue::park(std::unique_ptr<Fetch> fetch) {
  Waiter& waiter = waiters_.emplace_back();
  waiter.queue = this;
  waiter.self = std::prev(waiters_.end());
  waiter.fetch = std::move(fetch);
  ctx_->arm(&waiter, waiter.fetch->deadline_mono_us);
}

std::vector<std::unique_ptr<Fetch>> FetchQueue::take_all() {
  std::vector<std::unique_ptr<Fetch>> fetches;
  fetches.reserve(waiters_.size());
  for (Waiter& waiter : waiters_) {
    ctx_->disarm(&waiter);
    fetches.push_back(std::move(waiter.fetch));
  }
  waiters_.clear();
  return fetches;
}

void FetchQueue::expire(Waiter* waiter) {
  auto fetch = std::move(waiter->fetch);
  waiters_.erase(waiter->self);
  expired_(std::move(fetch));
}

}  // namespace headrace::core

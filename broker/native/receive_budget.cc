#include "broker/native/receive_budget.h"

#include "metrics/check.h"
#include "metrics/counters.h"

namespace headrace::native {

bool ReceiveBudget::take(uint64_t origin, size_t bytes) {
  auto [at, added] = holders_.try_emplace(origin);
  Holder& holder = at->second;
  if (!added) {
    HR_CHECK(holder.bytes == bytes);
    return holder.granted;
  }
  holder.bytes = bytes;
  if (queue_.empty() && bytes <= free_bytes_) {
    grant(&holder);
  } else {
    metrics::add(metrics::Counter::receive_waits);
    queue_.push_back(origin);
  }
  return holder.granted;
}

void ReceiveBudget::grant(Holder* holder) {
  holder->granted = true;
  free_bytes_ -= holder->bytes;
  metrics::add(metrics::Gauge::receive_bytes, static_cast<int64_t>(holder->bytes));
}

void ReceiveBudget::release(uint64_t origin) {
  const auto at = holders_.find(origin);
  if (at == holders_.end()) return;
  if (at->second.granted) {
    free_bytes_ += at->second.bytes;
    metrics::add(metrics::Gauge::receive_bytes, -static_cast<int64_t>(at->second.bytes));
  }
  holders_.erase(at);
  drop_gone();
}

void ReceiveBudget::drop_gone() {
  while (!queue_.empty()) {
    const auto at = holders_.find(queue_.front());
    if (at != holders_.end() && !at->second.granted) return;
    queue_.pop_front();
  }
}

std::optional<uint64_t> ReceiveBudget::next() {
  if (queue_.empty()) return std::nullopt;
  const uint64_t origin = queue_.front();
  Holder& holder = holders_.at(origin);
  if (holder.bytes > free_bytes_) return std::nullopt;
  grant(&holder);
  queue_.pop_front();
  drop_gone();
  return origin;
}

}  // namespace headrace::native

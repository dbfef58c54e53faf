#include "broker/core/tail.h"

#include <algorithm>

#include "metrics/counters.h"

namespace headrace::core {

size_t PartitionTail::find(Offset offset) const {
  auto at = std::partition_point(batches_.begin(), batches_.end(),
                                 [&](const TailBatch& batch) { return batch.last < offset; });
  if (at == batches_.end() || at->base > offset) return batches_.size();
  return static_cast<size_t>(at - batches_.begin());
}

Tail::~Tail() {
  metrics::add(metrics::Gauge::tail_bytes, -static_cast<int64_t>(bytes_));
}

void Tail::close(PartitionTail& tail) {
  tail.dead_ = true;
  tail.batches_.clear();
  while (!order_.empty() && order_.front().tail->dead_) forget_front();
}

void Tail::append(const std::shared_ptr<PartitionTail>& tail, TailBatch batch) {
  const size_t size = batch.batch.bytes.size() + sizeof(TailBatch);
  HR_CHECK(tail->batches_.empty() || tail->batches_.back().last + 1 == batch.base);
  order_.push_back(Entry{tail, batch.base, size});
  tail->batches_.push_back(std::move(batch));
  bytes_ += size;
  metrics::add(metrics::Gauge::tail_bytes, static_cast<int64_t>(size));
  evict();
}

void Tail::on_committed(PartitionTail& tail, uint64_t sequence) {
  tail.committed_sequence_ = std::max(tail.committed_sequence_, sequence);
  evict();
}

void Tail::evict() {
  while (bytes_ > budget_bytes_ && !order_.empty()) {
    PartitionTail& tail = *order_.front().tail;
    if (!tail.dead_) {
      HR_CHECK(!tail.batches_.empty() && tail.batches_.front().base == order_.front().base);
      if (tail.batches_.front().sequence > tail.committed_sequence_) return;
      tail.batches_.pop_front();
    }
    forget_front();
  }
}

void Tail::forget_front() {
  bytes_ -= order_.front().bytes;
  metrics::add(metrics::Gauge::tail_bytes, -static_cast<int64_t>(order_.front().bytes));
  order_.pop_front();
}

}  // namespace headrace::core

// Recent batches in memory: what hot consumers read, without a copy and without the store. One
// budget per reactor over all its partitions; uncommitted batches are never evicted (the store's
// budget bounds them), then the oldest goes first.
//
// Lives on: the reactor. PartitionTail outlives its partition only as a dead entry of the queue.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "broker/core/api.h"
#include "metrics/shared_bytes.h"
#include "storage/types.h"

namespace headrace::core {

struct TailBatch {
  Offset base;
  Offset last;
  StoredBatch batch;
  uint64_t sequence = 0;  // of the WriteSet that holds it
};

// The batches of one partition, consecutive, newest at the back.
class PartitionTail {
 public:
  bool empty() const { return batches_.empty(); }
  Offset first() const { return batches_.front().base; }
  // Index of the batch that holds `offset`; size() if it is not here.
  size_t find(Offset offset) const;
  size_t size() const { return batches_.size(); }
  const TailBatch& operator[](size_t i) const { return batches_[i]; }

 private:
  friend class Tail;
  std::deque<TailBatch> batches_;
  uint64_t committed_sequence_ = 0;
  bool dead_ = false;
};

class Tail {
 public:
  explicit Tail(size_t budget_bytes) : budget_bytes_(budget_bytes) {}
  ~Tail();

  std::shared_ptr<PartitionTail> open() { return std::make_shared<PartitionTail>(); }
  // The partition is dropped: its batches go at once, or with the last reader of each.
  void close(PartitionTail& tail);

  void append(const std::shared_ptr<PartitionTail>& tail, TailBatch batch);
  void on_committed(PartitionTail& tail, uint64_t sequence);

  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::shared_ptr<PartitionTail> tail;
    Offset base;
    size_t bytes;
  };
  void evict();
  void forget_front();

  size_t budget_bytes_;
  size_t bytes_ = 0;
  std::deque<Entry> order_;  // of all partitions, oldest first
};

}  // namespace headrace::core

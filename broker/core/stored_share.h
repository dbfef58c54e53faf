// What one partition stores, within the sum of its tenant (TenantUse). From its load to its end: an
// object that is dropped takes its part out, and brings it again when it is loaded.
//
// Lives on: the partition's reactor; the sum is everybody's.
#pragma once

#include <cstdint>
#include <utility>

#include "broker/core/quotas.h"

namespace headrace::core {

class StoredShare {
 public:
  explicit StoredShare(TenantUsePtr use) : use_(std::move(use)) {}
  ~StoredShare() { end(); }
  StoredShare(const StoredShare&) = delete;
  StoredShare& operator=(const StoredShare&) = delete;

  void begin(int64_t bytes) {
    if (use_ == nullptr || begun_) return;
    begun_ = true;
    add(bytes);
    use_->stored_partitions.fetch_add(1, std::memory_order_relaxed);
  }
  void add(int64_t bytes) {
    if (!begun_) return;
    bytes_ += bytes;
    use_->stored_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  // The sum is not the tenant's any more; it is again once all its partitions are there.
  void end() {
    if (!begun_) return;
    leave();
    use_->stored_known.store(false);
  }
  // Its topic is deleted: it belongs to nothing that is to be known.
  void leave() {
    if (!begun_) return;
    add(-bytes_);
    use_->stored_partitions.fetch_sub(1);
    begun_ = false;
  }

 private:
  const TenantUsePtr use_;  // null: the tenant is gone
  bool begun_ = false;
  int64_t bytes_ = 0;
};

}  // namespace headrace::core

#include "storage/rocks/read_breaker.h"

namespace headrace::storage {

void ReadBreaker::failed(uint64_t place, const rocksdb::Status& status) {
  if (!status.IsIOError()) return;
  {
    const std::lock_guard lock(mutex_);
    if (places_.size() < kPlaces) places_.insert(place);
    const uint32_t failures = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (failures < kFailures || places_.size() < kPlaces) return;
  }
  (*fatal_)("reading failed again and again, at several places", status);
}

void ReadBreaker::forget() {
  const std::lock_guard lock(mutex_);
  failures_.store(0, std::memory_order_relaxed);
  places_.clear();
}

}  // namespace headrace::storage

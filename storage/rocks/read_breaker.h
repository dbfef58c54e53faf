// Ends the process when the device no longer reads: a broker that answers `storage_error` to
// everybody only keeps others from taking over. One place that cannot be read does not trip it, nor
// does damage that a checksum finds: these are told to whoever needs them, and the rest goes on.
//
// Any worker's thread.
#pragma once

#include <rocksdb/status.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

#include "storage/rocks/fatal.h"
#include "storage/types.h"

namespace headrace::storage {

class ReadBreaker {
 public:
  // Failures of the device, none of which was followed by a read that succeeded...
  static constexpr uint32_t kFailures = 20;
  // ... at as many places at least: who tries again and again reads the same one.
  static constexpr size_t kPlaces = 4;

  explicit ReadBreaker(const Fatal* fatal) : fatal_(fatal) {}

  void succeeded() {
    if (failures_.load(std::memory_order_relaxed) > 0) forget();
  }
  // `place` tells places apart, nothing else.
  void failed(uint64_t place, const rocksdb::Status& status);

 private:
  void forget();

  const Fatal* const fatal_;
  std::atomic<uint32_t> failures_{0};
  std::mutex mutex_;
  std::set<uint64_t> places_;  // at most kPlaces
};

}  // namespace headrace::storage

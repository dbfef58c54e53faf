// Prebuilt record batches, so that the load generator spends its share of the two cores on sending:
// random payloads of the wanted size, or JSON objects, one ce_type of 16 characters per event,
// uncompressed.
// For every send the time is patched and the checksum computed again, as a producer must.
//
// One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "metrics/shared_bytes.h"

namespace headrace::bench {

constexpr std::string_view kEventType = "bench.event.load";  // 16 characters
static_assert(kEventType.size() == 16);

// Of several types the one with this number.
std::string event_type(uint32_t number);

class BatchPool {
 public:
  // `count` distinct batches of at most `batch_bytes` encoded bytes, at least one event each. Of
  // more than one type: each event has one of them at random. With a `json_type` the values are
  // JSON objects of about `event_bytes`, and that is their type.
  BatchPool(size_t count, uint32_t event_bytes, uint64_t batch_bytes, uint64_t seed,
            uint32_t types = 1, const std::string& json_type = {});

  size_t size() const { return batches_.size(); }
  uint32_t events_per_batch() const { return events_per_batch_; }
  uint32_t of_first_type(size_t index) const { return of_first_type_[index]; }

  // Stamps batch `index` with the time and a fresh checksum; the caller must not have it in flight.
  std::span<const std::byte> stamp(size_t index, int64_t now_ms);

 private:
  std::vector<SharedBytes> batches_;
  std::vector<uint32_t> of_first_type_;
  uint32_t events_per_batch_ = 0;
};

}  // namespace headrace::bench

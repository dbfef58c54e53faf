// The publishing load: one thread, prebuilt batches, several connections with a bounded window
// each.
//
// With a rate it is an open loop without coordinated omission: every batch has a time at which it
// is due, fixed beforehand; one that cannot leave in time (the window is full) leaves later, and
// its latency still counts from when it was due. Without a rate it sends whenever there is room and
// latency counts from the send.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "client/client_options.h"
#include "client/error.h"
#include "metrics/histogram.h"
#include "net/io.h"
#include "storage/types.h"

namespace headrace::bench {

struct LoadPlan {
  client::ClientOptions connect;
  std::string topic;
  uint32_t connections = 4;
  uint32_t slots = 8;  // batches in flight per connection
  uint32_t partitions = 4;
  uint32_t event_bytes = 100;
  uint64_t batch_bytes = 64 * 1024;
  uint64_t events = 0;
  double events_per_s = 0;  // 0: no schedule
  Durability durability = Durability::durable;
  uint64_t seed = 1;
  uint32_t types = 1;                       // mixed at random inside each batch
  std::string json_type;                    // not empty: JSON values of this type
  bool refusals_are_fine = false;           // a batch that is refused is done with, and counted
  const std::atomic<bool>* stop = nullptr;  // ends early
};

struct LoadResult {
  client::Error error;
  uint64_t events = 0;
  uint64_t of_first_type = 0;  // of them
  uint64_t refused = 0;        // batches
  uint64_t bytes = 0;          // of batches, as they are stored
  int64_t duration_us = 0;     // first send to last acknowledgement
  int64_t cpu_us = 0;          // of the generator
  metrics::HistogramSnapshot latency;

  double events_per_s() const {
    return static_cast<double>(events) * 1e6 / static_cast<double>(duration_us);
  }
  double mb_per_s() const { return static_cast<double>(bytes) / static_cast<double>(duration_us); }
};

LoadResult publish_load(const LoadPlan& plan);

}  // namespace headrace::bench

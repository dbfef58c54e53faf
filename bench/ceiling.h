// What the storage engine alone reaches: the wall that the broker is measured against. Same
// batches, same options, same checksum code, same file system as the broker; one thread writes, one
// calls SyncWAL, at most 1 MiB in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/error.h"
#include "metrics/histogram.h"

namespace headrace::bench {

struct CeilingPlan {
  std::string directory;  // a directory of its own is made in it and removed
  uint32_t event_bytes = 100;
  uint64_t batch_bytes = 64 * 1024;
  uint64_t bytes = 0;                // to write
  uint64_t group_bytes = 256 << 10;  // per DB::Write
  uint64_t seed = 1;
};

struct CeilingResult {
  client::Error error;
  double mb_per_s = 0;
  uint64_t syncs = 0;
};

CeilingResult measure_ceiling(const CeilingPlan& plan);

// The floor of a single durable event: one write of `bytes` and its sync at a time, in a database
// of its own that stays open, so that a few of them can be measured between the broker's.
class SyncedWrites {
 public:
  static client::Result<std::unique_ptr<SyncedWrites>> open(const std::string& directory,
                                                            uint32_t bytes);
  virtual ~SyncedWrites() = default;
  virtual client::Error measure(metrics::Histogram* latency, uint32_t count) = 0;
};

// fdatasync after appending 4 KiB to a file in the directory.
client::Result<metrics::HistogramSnapshot> measure_fdatasync(const std::string& directory,
                                                             uint32_t count);

// A message and its echo between two threads over loopback TCP.
void measure_loopback(metrics::Histogram* latency, uint32_t bytes, uint32_t count);

}  // namespace headrace::bench

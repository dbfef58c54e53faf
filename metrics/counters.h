// Node-wide counters, gauges and histograms. Each thread adds to a block of its own (relaxed
// atomics, no sharing), the registry sums the blocks when somebody scrapes. Names: metrics.def.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "metrics/histogram.h"

namespace headrace::metrics {

enum class Counter : uint16_t {
#define HR_COUNTER(id, name, help) id,
#define HR_GAUGE(id, name, help)
#define HR_HISTOGRAM(id, name, help)
#include "metrics/metrics.def"
#undef HR_COUNTER
#undef HR_GAUGE
#undef HR_HISTOGRAM
  count_
};

enum class Gauge : uint16_t {
#define HR_COUNTER(id, name, help)
#define HR_GAUGE(id, name, help) id,
#define HR_HISTOGRAM(id, name, help)
#include "metrics/metrics.def"
#undef HR_COUNTER
#undef HR_GAUGE
#undef HR_HISTOGRAM
  count_
};

enum class Timing : uint16_t {
#define HR_COUNTER(id, name, help)
#define HR_GAUGE(id, name, help)
#define HR_HISTOGRAM(id, name, help) id,
#include "metrics/metrics.def"
#undef HR_COUNTER
#undef HR_GAUGE
#undef HR_HISTOGRAM
  count_
};

struct ThreadBlock {
  std::atomic<uint64_t> counters[static_cast<size_t>(Counter::count_)] = {};
  std::atomic<int64_t> gauges[static_cast<size_t>(Gauge::count_)] = {};
  Histogram timings[static_cast<size_t>(Timing::count_)];
};

// This thread's block; registered on first use, kept after the thread ends (its counts stay true).
ThreadBlock& thread_block();

inline void add(Counter counter, uint64_t n = 1) {
  auto& slot = thread_block().counters[static_cast<size_t>(counter)];
  slot.store(slot.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
inline void add(Gauge gauge, int64_t n) {
  auto& slot = thread_block().gauges[static_cast<size_t>(gauge)];
  slot.store(slot.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
inline void record(Timing timing, int64_t duration_us, uint64_t count = 1) {
  thread_block().timings[static_cast<size_t>(timing)].record(duration_us, count);
}

// Sums over all threads; any thread may ask.
uint64_t total(Counter counter);
int64_t total(Gauge gauge);
HistogramSnapshot total(Timing timing);

}  // namespace headrace::metrics

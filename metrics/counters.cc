#include "metrics/counters.h"

#include <memory>
#include <mutex>
#include <vector>

namespace headrace::metrics {
namespace {

// Blocks of ended threads are given to new threads: sums stay true, memory stays bounded by the
// number of threads alive at once.
struct Blocks {
  std::mutex mutex;
  std::vector<std::unique_ptr<ThreadBlock>> all;
  std::vector<ThreadBlock*> idle;
};

Blocks& blocks() {
  static auto* instance = new Blocks;  // outlives every thread, at exit too
  return *instance;
}

ThreadBlock* take_block() {
  Blocks& pool = blocks();
  const std::lock_guard lock(pool.mutex);
  if (pool.idle.empty()) {
    pool.all.push_back(std::make_unique<ThreadBlock>());
    return pool.all.back().get();
  }
  ThreadBlock* block = pool.idle.back();
  pool.idle.pop_back();
  return block;
}

thread_local ThreadBlock* current_block = nullptr;

struct ReturnAtThreadEnd {
  ~ReturnAtThreadEnd() {
    const std::lock_guard lock(blocks().mutex);
    blocks().idle.push_back(current_block);
    current_block = nullptr;
  }
};

}  // namespace

ThreadBlock& thread_block() {
  if (current_block == nullptr) {
    current_block = take_block();
    static thread_local ReturnAtThreadEnd at_end;
    static_cast<void>(at_end);
  }
  return *current_block;
}

uint64_t total(Counter counter) {
  const std::lock_guard lock(blocks().mutex);
  uint64_t sum = 0;
  for (const auto& block : blocks().all) {
    sum += block->counters[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

int64_t total(Gauge gauge) {
  const std::lock_guard lock(blocks().mutex);
  int64_t sum = 0;
  for (const auto& block : blocks().all) {
    sum += block->gauges[static_cast<size_t>(gauge)].load(std::memory_order_relaxed);
  }
  return sum;
}

HistogramSnapshot total(Timing timing) {
  const std::lock_guard lock(blocks().mutex);
  HistogramSnapshot sum;
  for (const auto& block : blocks().all) {
    sum.merge(block->timings[static_cast<size_t>(timing)].snapshot());
  }
  return sum;
}

}  // namespace headrace::metrics

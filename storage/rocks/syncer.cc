#include "storage/rocks/syncer.h"

#include <algorithm>
#include <chrono>

#include "metrics/counters.h"
#include "metrics/time.h"

namespace headrace::storage {
namespace {

// Unsynced bytes nobody wants durable may not pile up: the sync after them would take long.
constexpr uint64_t kLazySyncBytes = 4u << 20;
// A first guess of the device, corrected by each large sync.
constexpr uint64_t kInitialBytesPerMs = 256u << 10;
constexpr uint64_t kMeasuredBytes = 256u << 10;

}  // namespace

int64_t mono_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Syncer::Syncer(rocksdb::DB* db, PressureGauge* gauge, const Fatal* fatal, uint64_t last_group)
    : db_(db),
      gauge_(gauge),
      fatal_(fatal),
      synced_(last_group),
      bytes_per_ms_(kInitialBytesPerMs),
      thread_([this] { run(); }) {}

Syncer::~Syncer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool Syncer::idle() const {
  const std::lock_guard lock(mutex_);
  return !syncing_ && !durable_waiting_ && asked_ <= synced();
}

void Syncer::hand_over(Group group) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    durable_waiting_ |= group.durable;
    waiting_bytes_ += group.bytes;
    waiting_.push_back(std::move(group));
    // A lazy group wakes the thread as well when it is the first: it sets the timer.
    wake = !syncing_ && (waiting_.size() == 1 || due(waiting_.front().written_us));
  }
  if (wake) work_.notify_one();
}

void Syncer::complete_synced(Group group) {
  std::vector<Group> groups;
  {
    const std::lock_guard lock(mutex_);
    if (syncing_) {
      // A lazy sync began meanwhile; its groups complete first. The second sync of this one is
      // harmless and rare.
      durable_waiting_ = true;
      waiting_bytes_ += group.bytes;
      waiting_.push_back(std::move(group));
      work_.notify_one();
      return;
    }
    groups.swap(waiting_);
    groups.push_back(std::move(group));
    durable_waiting_ = false;
    waiting_bytes_ = 0;
    synced_.store(groups.back().number, std::memory_order_release);
  }
  progress_.notify_all();
  complete(groups);
}

bool Syncer::has_room() const {
  const std::lock_guard lock(mutex_);
  return dead_ || !durable_waiting_;
}

void Syncer::wait_room(const std::atomic<bool>& interrupted) {
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [&] { return dead_ || !durable_waiting_ || interrupted.load(); });
}

void Syncer::nudge() {
  // Not between what a waiter looks at and its sleep.
  { const std::lock_guard lock(mutex_); }
  progress_.notify_all();
}

bool Syncer::wait_synced(uint64_t number) {
  std::unique_lock lock(mutex_);
  if (synced() >= number) return true;
  asked_ = std::max(asked_, number);
  work_.notify_one();
  progress_.wait(lock, [&] { return dead_ || synced() >= number; });
  return !dead_;
}

void Syncer::die() {
  {
    const std::lock_guard lock(mutex_);
    dead_ = true;
  }
  work_.notify_one();
  progress_.notify_all();
}

bool Syncer::due(int64_t now_us) const {
  if (waiting_.empty()) return false;
  return durable_waiting_ || stop_ || asked_ >= waiting_.front().number ||
         waiting_bytes_ >= kLazySyncBytes ||
         now_us - waiting_.front().written_us >= kLazySyncMs * kMicrosPerMilli;
}

void Syncer::run() {
  std::unique_lock lock(mutex_);
  std::vector<Group> groups;
  while (!dead_ && !(stop_ && waiting_.empty())) {
    if (!due(mono_now_us())) {
      if (waiting_.empty())
        work_.wait(lock);
      else
        work_.wait_for(lock, std::chrono::milliseconds(kLazySyncMs));
      continue;
    }
    groups.swap(waiting_);
    durable_waiting_ = false;
    waiting_bytes_ = 0;
    syncing_ = true;
    progress_.notify_all();
    lock.unlock();
    const bool synced = sync(groups);
    if (!synced) die();
    if (synced) {
      synced_.store(groups.back().number, std::memory_order_release);
      complete(groups);
    }
    groups.clear();
    lock.lock();
    syncing_ = false;
    progress_.notify_all();
  }
}

bool Syncer::sync(const std::vector<Group>& groups) {
  const int64_t start_us = mono_now_us();
  const rocksdb::Status status = db_->SyncWAL();
  if (!status.ok()) {
    (*fatal_)("syncing the log failed", status);
    return false;
  }
  const int64_t took_us = std::max<int64_t>(mono_now_us() - start_us, 1);
  metrics::add(metrics::Counter::syncs);
  metrics::record(metrics::Timing::sync_latency, took_us);
  uint64_t bytes = 0;
  for (const Group& group : groups) bytes += group.bytes;
  if (bytes >= kMeasuredBytes) {
    const uint64_t rate = bytes * 1'000 / static_cast<uint64_t>(took_us);
    bytes_per_ms_.store((bytes_per_ms() * 7 + rate) / 8, std::memory_order_relaxed);
  }
  return true;
}

void Syncer::complete(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    metrics::add(metrics::Counter::commits, group.sets.size());
    metrics::add(metrics::Counter::commit_bytes, group.bytes);
    for (const Submitted& set : group.sets) {
      gauge_->subtract(set.bytes);
      set.commit->sink->post(set.commit);
    }
  }
}

}  // namespace headrace::storage

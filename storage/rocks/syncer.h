// Makes written groups durable and completes them. One thread; a sync covers every group handed
// over before it started, so while one runs the next ones gather. No delay timer: only groups in
// which nobody wants durability wait, up to kLazySyncMs, for one that does.
//
// Numbers: groups are numbered 1, 2, 3... over the life of the data directory; `synced` is the
// highest one that survives a power cut.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/rocks/fatal.h"
#include "storage/rocks/pressure.h"
#include "storage/store.h"

namespace headrace::storage {

// A submitted set on its way through the committer.
struct Submitted {
  Commit* commit = nullptr;
  uint64_t bytes = 0;  // noted here: the commit belongs to its owner again once it is posted
};

// What one DB::Write carried.
struct Group {
  uint64_t number = 0;
  std::vector<Submitted> sets;
  uint64_t bytes = 0;
  bool durable = false;  // somebody waits for the sync
  int64_t written_us = 0;
};

int64_t mono_now_us();

class Syncer {
 public:
  Syncer(rocksdb::DB* db, PressureGauge* gauge, const Fatal* fatal, uint64_t last_group);
  ~Syncer();  // syncs and completes what is left

  // Committer only.
  bool idle() const;            // no group waits for a sync but lazy ones, and none is running
  void hand_over(Group group);  // written, not synced
  bool has_room() const;        // no written group waits for the next sync
  // Until there is room or `interrupted` is set; who sets it calls nudge() then.
  void wait_room(const std::atomic<bool>& interrupted);
  void complete_synced(Group group);  // written with its own sync, after idle() said true

  // Any thread. Returns when groups up to `number` are synced, asking for the sync if need be;
  // false if the store died.
  bool wait_synced(uint64_t number);
  uint64_t synced() const { return synced_.load(std::memory_order_acquire); }
  // Measured: what the device takes a millisecond, writes and syncs of large groups.
  uint64_t bytes_per_ms() const { return bytes_per_ms_.load(std::memory_order_relaxed); }
  void nudge();
  void die();  // wakes all waiters; nothing completes any more

 private:
  void run();
  bool due(int64_t now_us) const;
  bool sync(const std::vector<Group>& groups);
  void complete(const std::vector<Group>& groups);

  rocksdb::DB* const db_;
  PressureGauge* const gauge_;
  const Fatal* const fatal_;
  std::atomic<uint64_t> synced_;
  std::atomic<uint64_t> bytes_per_ms_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable progress_;
  std::vector<Group> waiting_;
  bool durable_waiting_ = false;
  bool syncing_ = false;
  bool dead_ = false;
  bool stop_ = false;
  uint64_t asked_ = 0;  // somebody waits for groups up to here
  uint64_t waiting_bytes_ = 0;
  std::thread thread_;
};

}  // namespace headrace::storage

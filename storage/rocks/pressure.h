// What the store can take right now: bytes in flight, how near RocksDB is to slowing its writer,
// and the disk. The budget shrinks before RocksDB would delay a write, because a delay inside the
// one committer holds every tenant, while a smaller budget holds only publishes.
//
// Threads: counts are atomics, any thread; RocksDB's background threads report through the
// listener; one monitor thread polls the disk each second.
#pragma once

#include <rocksdb/listener.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "storage/rocks/families.h"
#include "storage/rocks/fatal.h"
#include "storage/rocks/rocks_options.h"
#include "storage/store.h"

namespace headrace::storage {

class PressureGauge {
 public:
  explicit PressureGauge(const RocksOptions& options)
      : full_budget_bytes_(options.budget_bytes), budget_bytes_(options.budget_bytes) {}

  void add(uint64_t bytes);
  void subtract(uint64_t bytes);
  Pressure get() const;

  void set_disk(Pressure::Disk disk) { disk_.store(disk, std::memory_order_relaxed); }

  // Reports from RocksDB; see pressure.cc for what each costs of the budget.
  void memtable_sealed(const std::string& family);
  void memtables_waiting(const std::string& family, uint64_t count);
  void stalled(const std::string& family, rocksdb::WriteStallCondition condition);
  // RocksDB tells of the beginning and the end of a stall from two threads, in either order: who
  // asked it and heard that there is none says so.
  void no_stalls();
  bool stalled() const;
  // Called when a stall begins, from RocksDB's threads; nullptr: nobody is.
  void on_stall(std::function<void()> listener);
  void pending_compaction(uint64_t bytes);

 private:
  void update();  // mutex held

  const uint64_t full_budget_bytes_;
  std::atomic<uint64_t> in_flight_bytes_{0};
  std::atomic<uint64_t> budget_bytes_;
  std::atomic<Pressure::Disk> disk_{Pressure::Disk::ok};

  mutable std::mutex mutex_;
  std::function<void()> on_stall_;
  std::map<std::string, uint64_t> waiting_;  // sealed memtables of families that have any
  std::map<std::string, rocksdb::WriteStallCondition> stalled_;
  uint64_t pending_compaction_bytes_ = 0;
};

// Background errors end the process; stalls and memtables go to the gauge.
std::shared_ptr<rocksdb::EventListener> make_listener(PressureGauge* gauge,
                                                      const Families* families, const Fatal* fatal);

// Polls the disk, RocksDB's compaction debt and, more often during a stall, whether it still slows
// its writer.
class Monitor {
 public:
  Monitor(const RocksOptions& options, rocksdb::DB* db, PressureGauge* gauge);
  ~Monitor();

 private:
  void run();
  void poll_disk();
  void poll_compactions();

  const RocksOptions& options_;
  rocksdb::DB* const db_;
  PressureGauge* const gauge_;
  bool has_ballast_ = false;
  Pressure::Disk disk_ = Pressure::Disk::ok;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  bool stall_began_ = false;
  std::thread thread_;
};

}  // namespace headrace::storage

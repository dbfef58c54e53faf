// The Store in memory: what RocksStore promises, without a disk. Simulation and unit tests.
//
// Single-threaded: completions are posted by step(), so a simulator decides when (and a crash decides
// whether) a set becomes written and synced. crash() keeps a prefix that contains every synced set.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/store.h"

namespace headrace::storage {

class MemStore final : public Store {
 public:
  // Contents survive the Store object: give the same Disk to the next one, as a restart does.
  struct Disk {
    std::map<Place, std::map<Key, std::string>> rows;  // synced state
    std::vector<WriteSet> unsynced;                    // applied in order on top
    std::map<ShardId, uint64_t> applied;               // last synced sequence of each shard
  };

  explicit MemStore(Disk* disk) : disk_(disk) {}

  void commit(Commit* commit) override;
  void read(Read* read) override;
  void scan(Scan* scan) override;
  void maintain(Maintenance* work) override;
  Pressure pressure() const override;

  // Everything submitted so far moves one stage on: submitted → written → synced and completed.
  void write_pending();
  void sync();
  void answer_reads();
  // All of the above until nothing is left.
  void settle();
  bool idle() const;

  // Power cut: of the written and unsynced sets the first `keep` survive; the object is dead after.
  void crash(size_t keep);
  size_t unsynced() const { return disk_->unsynced.size(); }

  // Faults for the simulator: the next commits answer this instead of being applied.
  void fail_next_commit(Status status) { fail_next_ = status; }
  void set_budget(uint64_t bytes) { budget_bytes_ = bytes; }
  void set_disk_state(Pressure::Disk state) { disk_state_ = state; }

 private:
  Disk* disk_;
  std::deque<Commit*> submitted_;
  std::deque<Commit*> written_;
  std::deque<Read*> reads_;
  std::deque<Scan*> scans_;
  std::deque<Maintenance*> maintenance_;
  std::optional<Status> fail_next_;
  uint64_t in_flight_bytes_ = 0;
  uint64_t budget_bytes_ = 64u << 20;
  Pressure::Disk disk_state_ = Pressure::Disk::ok;
};

}  // namespace headrace::storage

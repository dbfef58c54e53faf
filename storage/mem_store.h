// The Store in memory: what RocksStore promises, without a disk. Simulation and unit tests.
//
// Single-threaded: completions are posted by the stepping functions, so a simulator decides when
// (and a crash decides whether) a set becomes written and synced.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/store.h"

namespace headrace::storage {

class MemStore final : public Store {
 public:
  // Contents survive the Store object: give the same Disk to the next one, as a restart does. What
  // is unsynced then survives, too, unless crash() decided otherwise.
  struct Disk {
    std::map<Place, std::map<Key, std::string>> rows;  // synced state; a log family is an entry
    std::vector<WriteSet> unsynced;                    // written: to be applied in this order
    std::map<ShardId, uint64_t> applied;               // last synced sequence of each shard
  };

  explicit MemStore(Disk* disk);

  void commit(Commit* commit) override;
  void read(Read* read) override;
  void scan(Scan* scan) override;
  void maintain(Maintenance* work) override;
  void work(Work* work) override;
  Pressure pressure() const override;

  // One stage each: submitted → written, written → synced and completed, reads and scans answered.
  // Maintenance runs in order between the commits and syncs those before it.
  void write_pending();
  void sync();
  void answer_reads();
  // All of the above until nothing is left.
  void settle();
  bool idle() const;

  // Power cut: of the written and unsynced sets the first `keep` survive. Nothing completes any
  // more and the object must not be used.
  void crash(size_t keep);
  size_t unsynced() const { return disk_->unsynced.size(); }

  // Faults for the simulator. The next set to be written answers `status`; only an `unknown` one
  // may have been applied all the same. The sets of its shard that follow get the same answer,
  // until the shard loads again, i.e. reads its applied row.
  void fail_next_commit(Status status, bool applied = false);
  void set_budget(uint64_t bytes) { budget_bytes_ = bytes; }
  void set_disk_state(Pressure::Disk state) { disk_state_ = state; }

 private:
  using Rows = std::map<Key, std::string>;
  struct Fault {
    Status status;
    bool applied;
  };

  void write(Commit* commit);
  Epoch epoch(ShardId shard);
  void note_written(const Mutation& mutation, ShardId shard);
  void run(Maintenance* work);
  Status apply_maintenance(const Maintenance& work);
  void create_month(const Maintenance& work);
  void drop_month(Month month, TenantId tenant);
  void drop_empty_months();
  Place family(const Place& place) const;
  void apply(const WriteSet& set);
  void apply(const Mutation& mutation);
  void answer(Read* read);
  void answer(Scan* scan);
  void answer(Work* work);
  const Rows* find_family(const Place& place) const;
  template <class Iterator>
  void take_rows(Scan* scan, Iterator at, Iterator end) const;
  void loads_again(std::string_view key);

  Disk* disk_;
  std::deque<std::variant<Commit*, Maintenance*>> submitted_;
  std::deque<Commit*> written_;
  std::deque<std::variant<Read*, Scan*, Work*>> reads_;
  std::map<ShardId, uint64_t> written_sequence_;  // including what is not synced
  std::map<ShardId, Epoch> written_epoch_;        // what its epoch row says; older ones are fenced
  std::map<ShardId, Status> failed_;
  std::set<std::pair<Month, TenantId>> dropped_;  // writing there is a bug of the caller
  std::optional<Fault> fail_next_;
  uint64_t in_flight_bytes_ = 0;
  uint64_t budget_bytes_ = 64u << 20;
  Pressure::Disk disk_state_ = Pressure::Disk::ok;
  bool dead_ = false;
};

}  // namespace headrace::storage

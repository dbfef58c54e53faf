// The one writer of the database. Takes the sets of all reactors, joins them into groups, writes
// each group with one DB::Write and hands it to the syncer; when nothing else waits it syncs
// inline, so that a lone request does not pay a thread hop.
//
// Order: sets of one shard keep theirs; a group that cannot hold everything takes sets without
// events first, then by tenant (fair_queue.h). While several tenants publish, groups are short and
// a tenant has one turn ahead of the sync: what comes of others joins what waits for it.
// Maintenance is a barrier.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/rocks/fair_queue.h"
#include "storage/rocks/group_writer.h"
#include "storage/rocks/syncer.h"

namespace headrace::storage {

class Committer {
 public:
  // Runs a piece of maintenance between two groups; it may remove ranges through
  // remove_range_now().
  using Maintain = std::function<void(Maintenance*)>;

  Committer(const RocksOptions& options, rocksdb::DB* db, Families* families, Syncer* syncer,
            PressureGauge* gauge, const Fatal* fatal, uint64_t last_group, Maintain maintain);
  ~Committer();  // writes what was submitted; the syncer completes it

  // Any thread.
  void submit(Commit* commit);
  void submit(Maintenance* work);
  // The highest group whose rows a snapshot taken before this call can contain.
  uint64_t last_started() const { return started_.load(std::memory_order_seq_cst); }

  // Committer thread, from within Maintain: writes and syncs a range removal as a group of its own.
  // False if the store died.
  bool remove_range_now(const FamilyRef& family, const Key& from, const Key& to);

 private:
  struct Item {
    Submitted set;  // or
    Maintenance* work = nullptr;
  };

  void push(Item item);
  void run();
  bool take();  // waits for items; false at the end
  void spin();
  void distribute();
  enum class Newer : uint8_t { wait, join };  // sets that come meanwhile
  void write_groups(Newer newer);
  enum class Watch : uint8_t { off, on };  // further ones interrupt the wait for room
  void absorb(Watch watch);
  void wait_room(Newer newer);
  size_t group_bound(bool shared) const;
  Group next_group(size_t bound);
  Group joining_group(size_t bound);
  void fill(Group* group, size_t bound, FairQueue::Of of);
  void add(Group* group);
  bool write(Group group);
  bool should_sync_inline(const Group& group) const;

  const RocksOptions& options_;
  rocksdb::DB* const db_;
  Syncer* const syncer_;
  PressureGauge* const gauge_;
  const Fatal* const fatal_;
  const Maintain maintain_;
  GroupWriter writer_;
  std::atomic<uint64_t> started_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> incoming_;
  std::atomic<bool> has_incoming_{false};
  bool sleeping_ = false;
  bool watched_ = false;
  std::atomic<bool> interrupted_{false};
  bool stop_ = false;

  // Committer thread only.
  bool dead_ = false;
  std::vector<Item> taken_;
  FairQueue queue_;
  std::thread thread_;
};

}  // namespace headrace::storage

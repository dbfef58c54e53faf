// Turns the sets of one commit group into one RocksDB WriteBatch: fencing, sequence check,
// mutations, the applied rows, and the group's own bookkeeping. Committer thread only.
//
// Each group ends with 25 bytes of log data, which only the write-ahead log holds (integers
// big-endian):
//   0  u8   version = 1, with bit 7 set in the first group after an open (a new chain begins)
//   1  u64  number of the group, 1, 2, 3... over the life of the data directory
//   9  u64  highest group known to be synced when this one was written
//  17  u32  chain: CRC32C of (the previous group's chain, the two numbers, the batch's records)
//  21  u32  bytes of the batch's records that the chain covers
// So a reader of the log can tell that a group is damaged or missing although a later one knew it
// as synced. The row `group` in RocksDB's `default` family holds the number of the last group.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <unordered_map>

#include "storage/rocks/families.h"
#include "storage/store.h"

namespace headrace::storage {

// Number of the last group in the database, 0 if there was none.
rocksdb::Status read_last_group(rocksdb::DB* db, const Families& families, uint64_t* number);

class GroupWriter {
 public:
  GroupWriter(rocksdb::DB* db, Families* families, uint64_t last_group)
      : db_(db), families_(families), number_(last_group) {}

  // Adds the set, or answers it: fenced (an older epoch), or ok without effect (applied before).
  void add(Commit* commit);
  // A maintenance step that is a write: rows of one tenant of a pooled month.
  void remove_range(const FamilyRef& family, const Key& from, const Key& to);
  // Ends the group: the batch to write and its number. The batch is valid until the next add().
  uint64_t seal(uint64_t synced);
  rocksdb::WriteBatch* batch() { return &batch_; }

 private:
  struct Shard {
    uint64_t applied = 0;
    uint32_t epoch = 0;
    bool dirty = false;
  };

  Shard& shard(ShardId id);
  void apply(const Mutation& mutation);
  void begin();

  rocksdb::DB* const db_;
  Families* const families_;
  uint64_t number_;
  uint32_t chain_ = 0;
  bool first_ = true;
  bool sealed_ = true;
  rocksdb::WriteBatch batch_;
  std::unordered_map<ShardId, Shard> shards_;
  std::vector<ShardId> dirty_;
};

}  // namespace headrace::storage

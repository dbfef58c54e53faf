// A disk that loses power. Under RocksDB it passes everything on, but remembers what was synced; at
// the cut every further change fails, and drop_unsynced() then leaves on the disk what a power cut
// may leave there.
//
// The fault model:
//  - bytes of a file survive up to its length at the start of its last successful sync; of what was
//    written after that, any prefix survives (nothing, all of it, a torn piece), bytes that were
//    written over older ones go back to the older ones;
//  - a new or renamed file survives once its directory was synced, else it is gone, or the file it
//    replaced is back; a removal is durable at once;
//  - a write that the cut hits is torn; a sync that it hits did not happen.
// Real syncs are skipped: the process itself survives, so nothing depends on them.
//
// Threads: all RocksDB's; cut_after() and drop_unsynced() before open and after close.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/prng.h"

namespace headrace::test {

class UnsyncedFs final : public rocksdb::FileSystemWrapper {
 public:
  explicit UnsyncedFs(uint64_t seed);

  // The power goes at the `operations`-th write or sync of a log file (*.log) from now.
  void cut_after(uint64_t operations);
  void cut_now() { cut_.store(true); }
  bool cut() const { return cut_.load(); }
  // After the store is closed: makes the disk what the cut left, ready for the next open.
  // `choice` decides how much of the unsynced bytes survives.
  void drop_unsynced() { drop_unsynced(random_below(UINT64_MAX)); }
  void drop_unsynced(uint64_t choice);
  uint64_t log_operations() const { return log_operations_.load(); }

  const char* Name() const override { return "UnsyncedFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  friend class UnsyncedFile;
  friend class UnsyncedDirectory;

  struct File {
    uint64_t synced_bytes = 0;
    uint64_t written_bytes = 0;
    bool entry_synced = false;  // its name survives
    struct Overwrite {          // older bytes that a write replaced, since the last sync
      uint64_t offset = 0;
      std::string older;
    };
    std::vector<Overwrite> overwrites;
    // A rename that replaced a file, until the directory is synced.
    bool replaced = false;
    std::string older_content;
  };

  // Counts an operation on a log file; false once the power is gone (*torn: this one was hit).
  bool powered(const std::string& path, bool* torn);
  uint64_t random_below(uint64_t bound);
  rocksdb::IOStatus off(const std::string& path) const;
  void sync_directory(const std::string& dir);
  void restore(const std::string& path, const File& file, Prng& prng);

  std::atomic<bool> cut_{false};
  std::atomic<uint64_t> log_operations_{0};
  std::mutex mutex_;
  Prng prng_;
  uint64_t operations_left_ = UINT64_MAX;
  std::map<std::string, File> files_;
};

}  // namespace headrace::test

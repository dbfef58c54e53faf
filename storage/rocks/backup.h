// Backups of the whole database while it serves: log, positions, what is in flight, retries, dead
// letters, health, jobs, all of one instant. Made by RocksDB's backup engine: incremental (files
// that an earlier backup has are not copied again), each file with its checksum.
//
// One runs at a time, on a thread of its own. Any thread may ask.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rocksdb {
class DB;
}

namespace headrace::storage {

struct BackupOptions {
  std::string dir;          // empty: none are made
  uint32_t keep = 0;        // newest ones kept after a success; 0: all
  uint64_t rate_bytes = 0;  // copied a second; 0: as fast as it goes
  std::string identity;     // kept with it: the text of the data directory's IDENTITY
};

struct BackupInfo {
  uint32_t id = 0;
  int64_t time_s = 0;  // since 1970, when it was begun
  uint64_t bytes = 0;  // of its files, shared ones counted
  uint32_t files = 0;
};

struct BackupState {
  bool running = false;
  uint64_t copied_bytes = 0;     // by the one that runs, about
  std::string last_error;        // of the last one; empty: it succeeded, or there was none
  std::vector<BackupInfo> kept;  // oldest first
};

class Backups {
 public:
  Backups(rocksdb::DB* db, BackupOptions options);
  ~Backups();  // lets the one that runs be cut off: it then does not count

  bool configured() const { return !options_.dir.empty(); }
  bool start();  // false: one runs
  BackupState state() const;

 private:
  void run();
  std::string make();  // "" or what went wrong

  rocksdb::DB* const db_;
  const BackupOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  BackupState state_;
  bool asked_ = false;
  bool stop_ = false;
  std::thread thread_;
};

// What is in a directory of backups; false with a sentence in *error.
bool list_backups(const std::string& dir, std::vector<BackupInfo>* kept, std::string* error);

struct Restored {
  BackupInfo backup;
  uint32_t shards = 0;
};
// Checks every file of backup `id` (0: the newest) against its checksum and, unless `data_dir` is
// empty, makes that directory of it; it must not exist or be empty. The shards' epochs are raised
// by far: what the broker did after the backup is not mistaken for what it will do now. A run that
// is cut off leaves a directory that no broker opens.
bool restore_backup(const std::string& dir, uint32_t id, const std::string& data_dir,
                    Restored* restored, std::string* error);

}  // namespace headrace::storage

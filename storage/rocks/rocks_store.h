// The Store over RocksDB: one database, one committer, one syncer, a few workers. Contract:
// store.h.
//
// Lifecycle: open() → used by all reactors → destroyed after the last reactor stopped submitting;
// the destructor completes everything that was submitted, so sinks must outlive it.
// A failed write, sync or flush ends the process (exit_codes.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/rocks/backup.h"
#include "storage/rocks/rocks_options.h"
#include "storage/store.h"

namespace headrace::storage {

class RocksStore final : public Store {
 public:
  // nullptr with a sentence in *error: locked, read-only, newer format, corrupt, ...
  static std::unique_ptr<RocksStore> open(const RocksOptions& options, std::string* error);
  ~RocksStore() override;

  void commit(Commit* commit) override;
  void read(Read* read) override;
  void scan(Scan* scan) override;
  void maintain(Maintenance* work) override;
  void work(Work* work) override;
  Pressure pressure() const override;

  // For readiness details, metrics and tests; any thread.
  struct Info {
    bool crc32c_in_hardware = false;  // RocksDB computes its checksums with our function
    uint64_t last_group = 0;          // highest commit group that survives a power cut
    uint64_t families = 0;
    uint64_t log_bytes = 0;  // live table and blob files
    uint64_t memtable_bytes = 0;
  };
  Info info() const;

  // Once, before anybody asks for them.
  void keep_backups(BackupOptions options);
  Backups& backups();

 private:
  class Parts;
  explicit RocksStore(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace headrace::storage

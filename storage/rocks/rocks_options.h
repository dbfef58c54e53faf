// What the store is told when it is opened. Plain values; the configuration fills them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rocksdb {
class FileSystem;
}

namespace headrace::storage {

struct RocksOptions {
  std::string data_dir;               // FORMAT, ballast, db/
  uint64_t budget_bytes = 64u << 20;  // submitted and not completed; publishes stop above
  int workers = 2;                    // threads for reads, scans and compactions; at least 2
  size_t max_queued_reads = 32'768;   // waiting, of all tenants (fair_bound.h); then `full`
  uint32_t max_families = 256;        // of the whole database
  uint64_t write_buffers_bytes = 256u << 20;  // all memtables together
  uint64_t log_memtable_bytes = 64u << 20;    // of one log family; three of them at most
  uint64_t state_memtable_bytes = 8u << 20;   // of every other family; two of them at most
  uint64_t max_total_wal_bytes = 512u << 20;
  uint64_t block_cache_bytes = 32u << 20;
  bool direct_io_for_flush = true;     // off where the file system refuses O_DIRECT (tmpfs)
  uint64_t ballast_bytes = 64u << 20;  // given back when space is critical; 0: none
  uint64_t disk_low_bytes = 0;         // 0: max of 5 % and 4 × max_total_wal_bytes
  uint64_t disk_critical_bytes = 0;    // 0: a quarter of disk_low_bytes
  int64_t committer_spin_us = 0;       // polls this long for the next set before it sleeps

  // Tests only: a file system that fails on purpose; what to do instead of ending the process.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  std::function<void(int exit_code, std::string_view why)> on_fatal;
};

}  // namespace headrace::storage

#include "storage/rocks/options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_buffer_manager.h>

#include <sstream>

namespace headrace::storage {
namespace {

// Values from this size on go to blob files, so that compaction never moves them: every byte is
// written twice (write-ahead log, blob file) instead of four to six times.
constexpr uint64_t kMinBlobSize = 512;
constexpr uint64_t kBlobFileSize = 256u << 20;  // at least a memtable: else one flush makes many
constexpr size_t kArenaBlockSize = 128u
                                   << 10;  // a family that holds one row must not pin megabytes
constexpr int kLogMemtables = 3;
constexpr int kStateMemtables = 2;
// Level-0 files may pile up for a while: slowing the one writer would slow every tenant.
constexpr int kSlowdownFiles = 64;
constexpr int kStopFiles = 128;
constexpr uint64_t kDelayedWriteRate = 128u << 20;
constexpr int kMaxOpenFiles = 512;  // below the usual soft limit of 1,024, which sockets share
// A queue kept in key order leaves tombstones that each later seek walks: compact such files early.
constexpr size_t kTombstoneWindow = 512;
constexpr size_t kTombstonesInWindow = 128;
// Removing a file of 64 MiB at once (its pages, its blocks, where mounted so their discard) makes
// every sync wait for 15 ms: obsolete files shrink by a chunk at a time. Faster than anybody can
// publish, so that what waits to be removed stays small.
constexpr int64_t kRemovedBytesPerSecond = 1 << 30;
constexpr uint64_t kRemovedChunk = 1u << 20;
constexpr double kAnyShareOfTrash = 1e9;  // never at once, however much of it there is

std::shared_ptr<rocksdb::SstFileManager> make_slow_remover(const RocksOptions& options) {
  const auto disk = options.file_system ? options.file_system : rocksdb::FileSystem::Default();
  return std::shared_ptr<rocksdb::SstFileManager>(
      rocksdb::NewSstFileManager(rocksdb::Env::Default(), disk, nullptr, "", kRemovedBytesPerSecond,
                                 true, nullptr, kAnyShareOfTrash, kRemovedChunk));
}

rocksdb::DBOptions make_db_options(const RocksOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.paranoid_checks = true;
  db.atomic_flush = false;
  db.max_total_wal_size = options.max_total_wal_bytes;
  db.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(options.write_buffers_bytes);
  db.use_direct_io_for_flush_and_compaction = options.direct_io_for_flush;
  db.sst_file_manager = make_slow_remover(options);
  db.max_background_jobs = 2;
  db.max_open_files = kMaxOpenFiles;
  db.delayed_write_rate = kDelayedWriteRate;
  // One thread writes: nothing to coordinate.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  // Blob files carry no block checksums that a backup could verify without this.
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  // A start must not read every table file; an idle broker must not wake up for statistics.
  db.skip_stats_update_on_db_open = true;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  // A background error ends the process (exit_codes.h); RocksDB must not retry behind our back.
  db.max_bgerror_resume_count = 0;
  // Table files are opened one after the other: threads for each family would only be started.
  db.max_file_opening_threads = 1;
  db.keep_log_file_num = 4;
  db.max_log_file_size = 8u << 20;
  return db;
}

rocksdb::ColumnFamilyOptions make_common(const RocksOptions& options) {
  rocksdb::ColumnFamilyOptions family;
  family.arena_block_size = kArenaBlockSize;
  family.level0_slowdown_writes_trigger = kSlowdownFiles;
  family.level0_stop_writes_trigger = kStopFiles;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

// Collects "name is X, asked for Y" sentences.
class Differences {
 public:
  template <class T>
  void compare(const char* name, const T& wanted, const T& actual) {
    if (wanted == actual) return;
    if (!text_.str().empty()) text_ << "; ";
    text_ << name << " is " << actual << ", asked for " << wanted;
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

}  // namespace

EngineOptions::EngineOptions(const RocksOptions& options)
    : db(make_db_options(options)), log(make_common(options)), state_(log) {
  log.write_buffer_size = options.log_memtable_bytes;
  log.max_write_buffer_number = kLogMemtables;
  log.enable_blob_files = true;
  log.min_blob_size = kMinBlobSize;
  log.blob_file_size = std::max(kBlobFileSize, options.log_memtable_bytes);
  log.blob_compression_type =
      rocksdb::kNoCompression;  // batches come compressed, or not on purpose
  log.compression = rocksdb::kNoCompression;
  state_.write_buffer_size = options.state_memtable_bytes;
  state_.max_write_buffer_number = kStateMemtables;
  state_.compression = rocksdb::kLZ4Compression;
}

rocksdb::ColumnFamilyOptions EngineOptions::family(Table table) const {
  if (table == Table::log) return log;
  rocksdb::ColumnFamilyOptions family = state_;
  if (table == Table::retry || table == Table::delayed) {
    family.table_properties_collector_factories.push_back(
        rocksdb::NewCompactOnDeletionCollectorFactory(kTombstoneWindow, kTombstonesInWindow));
  }
  return family;
}

#define HR_COMPARE(field) found.compare(#field, wanted.field, actual.field)

std::string changed_options(const EngineOptions& engine, const rocksdb::DBOptions& actual) {
  const rocksdb::DBOptions& wanted = engine.db;
  Differences found;
  found.compare("wal_recovery_mode", static_cast<int>(wanted.wal_recovery_mode),
                static_cast<int>(actual.wal_recovery_mode));
  found.compare("write_buffer_manager.buffer_size", wanted.write_buffer_manager->buffer_size(),
                actual.write_buffer_manager->buffer_size());
  HR_COMPARE(paranoid_checks);
  HR_COMPARE(atomic_flush);
  HR_COMPARE(max_total_wal_size);
  HR_COMPARE(use_direct_io_for_flush_and_compaction);
  HR_COMPARE(use_direct_reads);
  HR_COMPARE(use_fsync);
  HR_COMPARE(manual_wal_flush);
  HR_COMPARE(recycle_log_file_num);
  HR_COMPARE(max_background_jobs);
  HR_COMPARE(max_open_files);
  HR_COMPARE(delayed_write_rate);
  HR_COMPARE(allow_concurrent_memtable_write);
  HR_COMPARE(two_write_queues);
  HR_COMPARE(unordered_write);
  HR_COMPARE(enable_pipelined_write);
  HR_COMPARE(skip_stats_update_on_db_open);
  HR_COMPARE(max_bgerror_resume_count);
  return found.text();
}

std::string changed_options(const rocksdb::ColumnFamilyOptions& wanted,
                            const rocksdb::Options& actual) {
  Differences found;
  HR_COMPARE(write_buffer_size);
  HR_COMPARE(max_write_buffer_number);
  HR_COMPARE(arena_block_size);
  HR_COMPARE(level0_slowdown_writes_trigger);
  HR_COMPARE(level0_stop_writes_trigger);
  HR_COMPARE(disable_auto_compactions);
  HR_COMPARE(enable_blob_files);
  HR_COMPARE(min_blob_size);
  HR_COMPARE(blob_file_size);
  HR_COMPARE(enable_blob_garbage_collection);
  found.compare("blob_compression_type", static_cast<int>(wanted.blob_compression_type),
                static_cast<int>(actual.blob_compression_type));
  found.compare("compression", static_cast<int>(wanted.compression),
                static_cast<int>(actual.compression));
  found.compare("table_properties_collector_factories",
                wanted.table_properties_collector_factories.size(),
                actual.table_properties_collector_factories.size());
  return found.text();
}

#undef HR_COMPARE

}  // namespace headrace::storage

#include "bench/ceiling.h"

#include <malloc.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "bench/batch_pool.h"
#include "bench/wire.h"
#include "metrics/big_endian.h"
#include "storage/rocks/options.h"

namespace headrace::bench {

namespace {

constexpr uint64_t kInFlightBytes = 1u << 20;
constexpr size_t kKeySize = 26;  // as a row of the log

client::Error failed(const rocksdb::Status& status) {
  return {client::kCodeBadReply, "storage_error", status.ToString(), false, 0};
}

// A database with the broker's options and one log family, removed with the object.
class Database {
 public:
  explicit Database(const std::string& directory) {
    static int number = 0;
    path_ =
        directory + "/headrace-bench-" + std::to_string(getpid()) + "-" + std::to_string(++number);
  }
  ~Database() {
    if (family_ != nullptr) db_->DestroyColumnFamilyHandle(family_).PermitUncheckedError();
    db_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  client::Error open() {
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error) return client::bad_argument("--dir: " + path_ + ": " + error.message());
    storage::RocksOptions options;
    options.data_dir = path_;
    const storage::EngineOptions engine(options);
    const rocksdb::Options all(engine.db, engine.family(storage::Table::state));
    rocksdb::DB* db = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(all, path_ + "/db", &db);
    db_.reset(db);
    if (status.ok()) status = db_->CreateColumnFamily(engine.log, "log-bench", &family_);
    return status.ok() ? client::Error{} : failed(status);
  }

  void put(rocksdb::WriteBatch* batch, std::span<const std::byte> value) {
    std::byte key[kKeySize] = {};
    store_be(key + kKeySize - 8, next_key_++);
    batch->Put(family_, {reinterpret_cast<const char*>(key), kKeySize},
               {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  rocksdb::DB* db() { return db_.get(); }

 private:
  std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* family_ = nullptr;
  uint64_t next_key_ = 0;
};

// The writer runs ahead of the syncs by at most kInFlightBytes.
class Pipeline {
 public:
  Pipeline(Database* database, const CeilingPlan& plan)
      : database_(database),
        plan_(plan),
        pool_(2 * kInFlightBytes / plan.batch_bytes + 1, plan.event_bytes, plan.batch_bytes,
              plan.seed) {}

  CeilingResult run() {
    CeilingResult result;
    const int64_t started_us = mono_us();
    std::thread syncer([this] { sync(); });
    write();
    {
      const std::lock_guard lock(mutex_);
      written_all_ = true;
      changed_.notify_all();
    }
    syncer.join();
    const int64_t duration_us = std::max<int64_t>(1, mono_us() - started_us);
    if (!status_.ok()) result.error = failed(status_);
    result.mb_per_s = static_cast<double>(synced_) / static_cast<double>(duration_us);
    result.syncs = syncs_;
    return result;
  }

 private:
  void write() {
    rocksdb::WriteOptions options;
    options.sync = false;
    size_t index = 0;
    uint64_t total = 0;
    rocksdb::WriteBatch group;  // keeps its memory
    while (total < plan_.bytes) {
      group.Clear();
      uint64_t bytes = 0;
      do {
        const auto batch = pool_.stamp(index++ % pool_.size(), wall_ms());
        database_->put(&group, batch);
        bytes += batch.size();
      } while (bytes + plan_.batch_bytes <= plan_.group_bytes);
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] {
          return !status_.ok() || written_ == synced_ ||
                 written_ + bytes - synced_ <= kInFlightBytes;
        });
        if (!status_.ok()) return;
      }
      const rocksdb::Status status = database_->db()->Write(options, &group);
      total += bytes;
      const std::lock_guard lock(mutex_);
      if (!status.ok()) status_ = status;
      written_ += bytes;
      changed_.notify_all();
    }
  }

  void sync() {
    std::unique_lock lock(mutex_);
    while (status_.ok()) {
      changed_.wait(lock, [&] { return written_ > synced_ || written_all_ || !status_.ok(); });
      if (written_ == synced_) return;
      const uint64_t covered = written_;
      lock.unlock();
      const rocksdb::Status status = database_->db()->SyncWAL();
      lock.lock();
      if (!status.ok()) status_ = status;
      synced_ = covered;
      ++syncs_;
      changed_.notify_all();
    }
  }

  Database* database_;
  const CeilingPlan& plan_;
  BatchPool pool_;
  std::mutex mutex_;
  std::condition_variable changed_;
  rocksdb::Status status_;
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  uint64_t syncs_ = 0;
  bool written_all_ = false;
};

}  // namespace

CeilingResult measure_ceiling(const CeilingPlan& plan) {
  // As the broker does: memory of batches and memtables stays in the process.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  Database database(plan.directory);
  CeilingResult result;
  result.error = database.open();
  if (result.error) return result;
  return Pipeline(&database, plan).run();
}

namespace {

class OwnDatabase final : public SyncedWrites {
 public:
  OwnDatabase(const std::string& directory, uint32_t bytes)
      : database_(directory), pool_(1, bytes, 1, 1) {}

  client::Error open() { return database_.open(); }

  client::Error measure(metrics::Histogram* latency, uint32_t count) override {
    rocksdb::WriteOptions options;
    options.sync = true;
    for (uint32_t i = 0; i < count; ++i) {
      const int64_t started_us = mono_us();
      rocksdb::WriteBatch batch;
      database_.put(&batch, pool_.stamp(0, wall_ms()));
      const rocksdb::Status status = database_.db()->Write(options, &batch);
      if (!status.ok()) return failed(status);
      latency->record(mono_us() - started_us);
    }
    return {};
  }

 private:
  Database database_;
  BatchPool pool_;
};

}  // namespace

client::Result<std::unique_ptr<SyncedWrites>> SyncedWrites::open(const std::string& directory,
                                                                 uint32_t bytes) {
  auto made = std::make_unique<OwnDatabase>(directory, bytes);
  if (client::Error error = made->open()) return error;
  return std::unique_ptr<SyncedWrites>(std::move(made));
}

}  // namespace headrace::bench

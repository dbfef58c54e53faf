// What the store takes: 64 KiB sets, every one synced, 1 MiB in flight, through RocksStore and
// through RocksDB alone (one thread writing, one syncing: the same options, as fast as it goes);
// and one small set at a time. The directory is $HEADRACE_BENCH_DIR or the current one: it decides
// the disk.
//
// Counters: write_amplification = bytes this process wrote to the disk per byte of payload.
#include <benchmark/benchmark.h>
#include <rocksdb/db.h>
#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "metrics/check.h"
#include "storage/rocks/families.h"
#include "storage/rocks/options.h"
#include "storage/rocks/rocks_store.h"

namespace headrace::storage {
namespace {

constexpr size_t kCommitBytes = 64u << 10;
constexpr size_t kInFlight = 16;
constexpr uint16_t kShards = 8;
constexpr Month kMonth{202605};
constexpr Place kLog{Table::log, kMonth, TenantId(1)};

class BenchDirectory {
 public:
  BenchDirectory() {
    const char* parent = std::getenv("HEADRACE_BENCH_DIR");
    std::string name = std::string(parent != nullptr ? parent : ".") + "/micro-committer-XXXXXX";
    HR_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~BenchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Bytes this process caused to be written to storage.
uint64_t written_bytes() {
  std::ifstream file("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

SharedBytes random_batch(size_t bytes) {
  SharedBytes batch = SharedBytes::allocate(bytes);
  uint64_t state = 88172645463325252u;
  for (size_t i = 0; i < bytes; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    batch.mutable_data()[i] = static_cast<std::byte>(state);
  }
  return batch;
}

Key batch_key(uint64_t number) {
  return log_key(LogKind::batch, {TenantId(1), TopicId(1), SliceId(0), PartitionId(0)},
                 Offset(static_cast<int64_t>(number)));
}

class CountingSink final : public CompletionSink {
 public:
  void post(Completion* completion) noexcept override {
    const std::lock_guard lock(mutex_);
    completion->run();
    wake_.notify_one();
  }
  template <class Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
};

struct FlagCommit : Commit {
  std::atomic<bool> idle{true};
  void run() override { idle.store(true, std::memory_order_release); }
};
struct FlagMaintenance : Maintenance {
  std::atomic<bool> done{false};
  void run() override { done.store(true); }
};

struct OpenStore {
  OpenStore() {
    options.data_dir = dir.path();
    options.ballast_bytes = 0;
    std::string error;
    store = RocksStore::open(options, &error);
    HR_CHECK(store != nullptr);
    FlagMaintenance month;
    month.month = kMonth;
    month.sink = &sink;
    store->maintain(&month);
    sink.wait([&] { return month.done.load(); });
  }
  void prepare(FlagCommit* commit, uint16_t shard, const SharedBytes& batch) {
    commit->set.clear();
    commit->set.shard = ShardId(shard);
    commit->set.sequence = ++sequences[shard];
    commit->set.durability = Durability::durable;
    commit->set.put_batch(kLog, batch_key(++batches), Envelope{}, batch);
    commit->sink = &sink;
    commit->idle.store(false, std::memory_order_relaxed);
  }

  BenchDirectory dir;
  RocksOptions options;
  CountingSink sink;
  std::unique_ptr<RocksStore> store;
  uint64_t sequences[kShards] = {};
  uint64_t batches = 0;
};

void report(benchmark::State& state, uint64_t payload, uint64_t written) {
  state.SetBytesProcessed(static_cast<int64_t>(payload));
  state.counters["write_amplification"] =
      static_cast<double>(written) / static_cast<double>(payload);
}

// One iteration is one 64 KiB set handed over; a shard has at most two on their way.
void BM_StoreBatches(benchmark::State& state) {
  OpenStore open;
  const SharedBytes batch = random_batch(static_cast<size_t>(state.range(0)));
  std::vector<FlagCommit> window(kInFlight);
  const uint64_t before = written_bytes();
  size_t next = 0;
  for (auto _ : state) {
    FlagCommit& commit = window[next % kInFlight];
    open.sink.wait([&] { return commit.idle.load(std::memory_order_acquire); });
    open.prepare(&commit, static_cast<uint16_t>(next % kShards), batch);
    open.store->commit(&commit);
    ++next;
  }
  for (FlagCommit& commit : window) {
    open.sink.wait([&] { return commit.idle.load(std::memory_order_acquire); });
  }
  const uint64_t payload = next * batch.size();
  open.store.reset();
  report(state, payload, written_bytes() - before);
}
BENCHMARK(BM_StoreBatches)->Arg(kCommitBytes)->Arg(16 << 10)->UseRealTime()->MinTime(3);

// One thread writes groups of what fits in flight, one calls SyncWAL for all written so far.
class PlainWriter {
 public:
  PlainWriter() : engine_(options()) {
    rocksdb::DB* db = nullptr;
    const rocksdb::Options all(engine_.db, engine_.log);
    HR_CHECK(rocksdb::DB::Open(all, dir_.path() + "/db", &db).ok());
    db_.reset(db);
    syncer_ = std::thread([this] { sync_loop(); });
  }
  ~PlainWriter() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    syncer_.join();
  }
  void write(const SharedBytes& batch) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return written_ - synced_ < kInFlight; });
    }
    rocksdb::WriteBatch rows;
    const Key key = batch_key(++batches_);
    const rocksdb::Slice value(reinterpret_cast<const char*>(batch.data()), batch.size());
    HR_CHECK(rows.Put({key.view().data(), key.size()}, value).ok());
    HR_CHECK(db_->Write(rocksdb::WriteOptions(), &rows).ok());
    const std::lock_guard lock(mutex_);
    ++written_;
    wake_.notify_all();
  }
  void settle() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return written_ == synced_; });
  }

 private:
  static RocksOptions options() { return {}; }
  void sync_loop() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stop_ || written_ > synced_; });
      if (written_ == synced_) return;
      const uint64_t covered = written_;
      lock.unlock();
      HR_CHECK(db_->SyncWAL().ok());
      lock.lock();
      synced_ = covered;
      wake_.notify_all();
    }
  }

  BenchDirectory dir_;
  EngineOptions engine_;
  std::unique_ptr<rocksdb::DB> db_;
  std::mutex mutex_;
  std::condition_variable wake_;
  uint64_t batches_ = 0;
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  bool stop_ = false;
  std::thread syncer_;
};

void BM_PlainRocksDbBatches(benchmark::State& state) {
  const SharedBytes batch = random_batch(static_cast<size_t>(state.range(0)));
  const uint64_t before = written_bytes();
  uint64_t payload = 0;
  {
    PlainWriter writer;
    for (auto _ : state) {
      writer.write(batch);
      payload += batch.size();
    }
    writer.settle();
  }
  report(state, payload, written_bytes() - before);
}
BENCHMARK(BM_PlainRocksDbBatches)->Arg(kCommitBytes)->Arg(16 << 10)->UseRealTime()->MinTime(3);

// One 1 KiB set at a time; the asking thread polls, as a reactor with parked replies does.
void BM_StoreOneAtATime(benchmark::State& state) {
  OpenStore open;
  const SharedBytes batch = random_batch(1u << 10);
  FlagCommit commit;
  for (auto _ : state) {
    open.prepare(&commit, 0, batch);
    open.store->commit(&commit);
    while (!commit.idle.load(std::memory_order_acquire)) {
      std::this_thread::yield();  // with fewer cores than threads, polling alone would hold up the
                                  // store
    }
  }
}
BENCHMARK(BM_StoreOneAtATime)->UseRealTime()->MinTime(1);

void BM_PlainRocksDbOneAtATime(benchmark::State& state) {
  BenchDirectory dir;
  const EngineOptions engine{RocksOptions{}};
  rocksdb::DB* raw = nullptr;
  HR_CHECK(rocksdb::DB::Open({engine.db, engine.log}, dir.path() + "/db", &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  const SharedBytes batch = random_batch(1u << 10);
  rocksdb::WriteOptions options;
  options.sync = true;
  uint64_t number = 0;
  for (auto _ : state) {
    const Key key = batch_key(++number);
    const rocksdb::Slice value(reinterpret_cast<const char*>(batch.data()), batch.size());
    HR_CHECK(db->Put(options, {key.view().data(), key.size()}, value).ok());
  }
}
BENCHMARK(BM_PlainRocksDbOneAtATime)->UseRealTime()->MinTime(1);

}  // namespace
}  // namespace headrace::storage

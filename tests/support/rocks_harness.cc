#include "tests/support/rocks_harness.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>

#include "metrics/check.h"

namespace headrace::test {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "headrace-test-XXXXXX").string();
  HR_CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TestSink::post(storage::Completion* completion) noexcept {
  const std::lock_guard lock(mutex_);
  completion->next = nullptr;
  if (first_ == nullptr) {
    first_ = completion;
  } else {
    last_->next = completion;
  }
  last_ = completion;
  wake_.notify_one();  // under the lock: the sink may be gone right after
}

bool TestSink::run_posted() {
  storage::Completion* posted = nullptr;
  {
    const std::lock_guard lock(mutex_);
    posted = first_;
    first_ = last_ = nullptr;
  }
  const bool any = posted != nullptr;
  while (posted != nullptr) {
    storage::Completion* next = posted->next;
    posted->run();
    posted = next;
  }
  return any;
}

void TestSink::discard_posted() {
  const std::lock_guard lock(mutex_);
  first_ = last_ = nullptr;
}

void TestSink::run_until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (run_posted()) continue;
    std::unique_lock lock(mutex_);
    // Short waits: `done` may also depend on something that posts nothing.
    wake_.wait_for(lock, std::chrono::milliseconds(5), [this] { return first_ != nullptr; });
    HR_CHECK(std::chrono::steady_clock::now() < deadline);
  }
}

storage::RocksOptions small_rocks_options(const std::string& data_dir) {
  storage::RocksOptions options;
  options.data_dir = data_dir;
  options.write_buffers_bytes = 16u << 20;
  options.log_memtable_bytes = 1u << 20;
  options.state_memtable_bytes = 256u << 10;
  options.max_total_wal_bytes = 8u << 20;
  options.block_cache_bytes = 1u << 20;
  options.direct_io_for_flush = false;  // what was just written is read back from memory
  options.ballast_bytes = 0;
  options.disk_low_bytes = 1;
  options.disk_critical_bytes = 1;
  return options;
}

std::unique_ptr<storage::RocksStore> open_store(const storage::RocksOptions& options) {
  std::string error;
  auto store = storage::RocksStore::open(options, &error);
  EXPECT_NE(store, nullptr) << error;
  return store;
}

storage::Status commit(storage::Store& store, TestSink& sink, storage::WriteSet set) {
  TestCommit request;
  request.set = std::move(set);
  request.sink = &sink;
  store.commit(&request);
  sink.run_until([&] { return request.done; });
  return request.status;
}

static storage::Status maintain(storage::Store& store, TestSink& sink, TestMaintenance& work) {
  work.sink = &sink;
  store.maintain(&work);
  sink.run_until([&] { return work.done; });
  return work.status;
}

storage::Status create_month(storage::Store& store, TestSink& sink, Month month,
                             std::vector<TenantId> dedicated) {
  TestMaintenance work;
  work.kind = storage::Maintenance::Kind::create_month;
  work.month = month;
  work.dedicated = std::move(dedicated);
  return maintain(store, sink, work);
}

storage::Status drop_month(storage::Store& store, TestSink& sink, Month month, TenantId tenant) {
  TestMaintenance work;
  work.kind = storage::Maintenance::Kind::drop_month;
  work.month = month;
  work.tenant = tenant;
  return maintain(store, sink, work);
}

ReadResult read(storage::Store& store, TestSink& sink, const storage::Place& place,
                const storage::Key& key) {
  TestRead request;
  request.items.push_back({place, key, {}, false});
  request.sink = &sink;
  store.read(&request);
  sink.run_until([&] { return request.done; });
  return {request.status, request.items[0].found, std::string(request.items[0].value.view())};
}

}  // namespace headrace::test

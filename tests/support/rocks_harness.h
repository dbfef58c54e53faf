// A RocksStore in a directory of its own, with real threads, and the small helpers tests of it
// need: an inbox that tests wait on, sets that write one batch. No sleeping: tests wait for
// conditions.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "storage/rocks/rocks_store.h"
#include "storage/store.h"

namespace headrace::test {

// Removed with everything in it at the end of the scope.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The reactor of a test: completions are run by whoever waits.
class TestSink final : public storage::CompletionSink {
 public:
  void post(storage::Completion* completion) noexcept override;
  // Runs what was posted; true if there was anything.
  bool run_posted();
  // A crash: what was posted is never run.
  void discard_posted();
  // Runs completions as they come until `done`; aborts the test process after a minute.
  void run_until(const std::function<bool()>& done);

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  storage::Completion* first_ = nullptr;
  storage::Completion* last_ = nullptr;
};

// Small memtables and no ballast: fit for a test.
storage::RocksOptions small_rocks_options(const std::string& data_dir);
// Opens or fails the test with the store's sentence.
std::unique_ptr<storage::RocksStore> open_store(const storage::RocksOptions& options);

// Requests that know when they are done.
struct TestCommit : storage::Commit {
  bool done = false;
  void run() override { done = true; }
};
struct TestRead : storage::Read {
  bool done = false;
  void run() override { done = true; }
};
struct TestScan : storage::Scan {
  bool done = false;
  void run() override { done = true; }
};
struct TestMaintenance : storage::Maintenance {
  bool done = false;
  void run() override { done = true; }
};

// Submit and wait.
storage::Status commit(storage::Store& store, TestSink& sink, storage::WriteSet set);
storage::Status create_month(storage::Store& store, TestSink& sink, Month month,
                             std::vector<TenantId> dedicated = {});
storage::Status drop_month(storage::Store& store, TestSink& sink, Month month, TenantId tenant);
struct ReadResult {
  storage::Status status = storage::Status::ok;
  bool found = false;
  std::string value;
};
ReadResult read(storage::Store& store, TestSink& sink, const storage::Place& place,
                const storage::Key& key);

}  // namespace headrace::test

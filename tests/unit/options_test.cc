// Opening a store: options RocksDB keeps, refusals that name their cause, disk floors.
#include "storage/rocks/options.h"

#include <gtest/gtest.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/rocks/data_directory.h"
#include "storage/rocks/exit_codes.h"
#include "storage/rocks/fatal.h"
#include "storage/rocks/pressure.h"
#include "tests/support/rocks_harness.h"

namespace headrace::storage {
namespace {

namespace fs = std::filesystem;
using test::open_store;
using test::small_rocks_options;

class OpenTest : public ::testing::Test {
 protected:
  // The sentence with which an open fails.
  std::string refusal() {
    std::string error;
    EXPECT_EQ(RocksStore::open(options_, &error), nullptr);
    return error;
  }
  void expect_names(const std::string& error, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(error.find(part), std::string::npos) << error;
  }
  std::string path(const char* name) const { return dir_.path() + "/" + name; }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  test::TemporaryDirectory dir_;
  RocksOptions options_ = small_rocks_options(dir_.path());
};

TEST(EngineOptionsTest, ADifferenceIsNamed) {
  const EngineOptions wanted{RocksOptions{}};
  EXPECT_EQ(changed_options(wanted, wanted.db), "");
  rocksdb::DBOptions actual = wanted.db;
  actual.atomic_flush = true;
  actual.max_open_files = 20;
  EXPECT_EQ(changed_options(wanted, actual),
            "atomic_flush is 1, asked for 0; max_open_files is 20, asked for 512");
  rocksdb::Options family(wanted.db, wanted.log);
  EXPECT_EQ(changed_options(wanted.log, family), "");
  family.enable_blob_files = false;
  EXPECT_EQ(changed_options(wanted.log, family), "enable_blob_files is 0, asked for 1");
}

TEST(EngineOptionsTest, TheWriteAheadLogIsBounded) {
  const EngineOptions options{RocksOptions{}};
  EXPECT_EQ(options.db.max_total_wal_size, 512u << 20);
  EXPECT_EQ(options.db.write_buffer_manager->buffer_size(), 256u << 20);
  EXPECT_EQ(options.db.wal_recovery_mode, rocksdb::WALRecoveryMode::kPointInTimeRecovery);
  EXPECT_GE(options.log.blob_file_size, options.log.write_buffer_size);
}

TEST_F(OpenTest, MakesTheDirectoryAndItsFormat) {
  options_.data_dir = path("new/deeper");
  ASSERT_NE(open_store(options_), nullptr);
  EXPECT_EQ(content(options_.data_dir + "/FORMAT"),
            "envelope 1\nheadrace-format 1\nkeys 1\nwrite-set 1\n");
}

TEST_F(OpenTest, RocksDbUsesOurCrc32c) {
  const auto store = open_store(options_);
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->info().crc32c_in_hardware);
}

TEST_F(OpenTest, ShippedOptionsSurviveRocksDb) {
  // The defaults, not the small ones of other tests: open() itself reads them back.
  RocksOptions shipped;
  shipped.data_dir = dir_.path();
  shipped.ballast_bytes = 0;
  EXPECT_NE(open_store(shipped), nullptr);
}

TEST_F(OpenTest, ANewerFormatIsRefusedByName) {
  ASSERT_NE(open_store(options_), nullptr);
  std::ofstream(path("FORMAT")) << "envelope 1\nheadrace-format 1\nkeys 2\nwrite-set 1\n";
  expect_names(refusal(), {dir_.path().c_str(), "keys 2", "up to 1", "newer headrace"});
  std::ofstream(path("FORMAT")) << "envelope 1\nheadrace-format 1\nkeys 1\nwrite-set 1\ntail 3\n";
  expect_names(refusal(), {"tail 3", "newer headrace"});
}

TEST_F(OpenTest, ADamagedFormatIsRefused) {
  ASSERT_NE(open_store(options_), nullptr);
  for (const char* damaged : {"", "keys 1\n", "envelope one\n", "\x01\x02\x03"}) {
    std::ofstream(path("FORMAT")) << damaged;
    expect_names(refusal(), {dir_.path().c_str(), "FORMAT is damaged"});
  }
}

TEST_F(OpenTest, ADatabaseWithoutFormatIsRefused) {
  ASSERT_NE(open_store(options_), nullptr);
  fs::remove(path("FORMAT"));
  expect_names(refusal(), {"no file FORMAT"});
}

TEST_F(OpenTest, ASecondOpenInThisProcessIsRefused) {
  const auto store = open_store(options_);
  ASSERT_NE(store, nullptr);
  expect_names(refusal(), {dir_.path().c_str(), "already open in this process"});
}

TEST_F(OpenTest, ADirectoryLockedByAnotherProcessIsRefused) {
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // holds the database until the parent is through
    std::string error;
    const auto store = RocksStore::open(options_, &error);
    char byte = store != nullptr ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 1) ::_exit(1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  expect_names(refusal(), {dir_.path().c_str(), "locked by another process"});
  ASSERT_EQ(::write(done[1], "d", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
  EXPECT_NE(open_store(options_), nullptr);
}

TEST_F(OpenTest, APathThatIsAFileIsRefused) {
  options_.data_dir = path("file");
  std::ofstream(options_.data_dir) << "x";
  expect_names(refusal(), {options_.data_dir.c_str(), "cannot be made"});
}

TEST_F(OpenTest, CorruptionIsRefusedAndNothingIsChanged) {
  ASSERT_NE(open_store(options_), nullptr);
  std::string manifest;
  for (const auto& entry : fs::directory_iterator(path("db"))) {
    if (entry.path().filename().string().starts_with("MANIFEST")) manifest = entry.path();
  }
  std::fstream(manifest, std::ios::in | std::ios::out).seekp(4) << "damage";
  const std::string damaged = content(manifest);
  expect_names(refusal(), {dir_.path().c_str(), "corrupt", "MANIFEST"});
  EXPECT_EQ(content(manifest), damaged);
}

TEST(OpenFailure, SaysWhatToDo) {
  EXPECT_EQ(open_failure("/d", "IO error: x: Too many open files", false),
            "data directory /d: too many open files; raise LimitNOFILE (ulimit -n) "
            "(IO error: x: Too many open files)");
  EXPECT_NE(open_failure("/d", "IO error: x: Read-only file system", false).find("read-only"),
            std::string::npos);
  EXPECT_NE(open_failure("/d", "IO error: x: No space left on device", false).find("disk is full"),
            std::string::npos);
}

TEST_F(OpenTest, DiskFloorsStopPublishesAndReleaseTheBallast) {
  options_.ballast_bytes = 1u << 20;
  {
    const auto store = open_store(options_);
    EXPECT_EQ(store->pressure().disk, Pressure::Disk::ok);
    EXPECT_TRUE(store->pressure().takes_publishes());
    EXPECT_EQ(fs::file_size(path("ballast")), 1u << 20);
  }
  options_.disk_low_bytes = UINT64_MAX;
  options_.disk_critical_bytes = 1;
  {
    const auto store = open_store(options_);
    EXPECT_EQ(store->pressure().disk, Pressure::Disk::low);
    EXPECT_FALSE(store->pressure().takes_publishes());
    EXPECT_TRUE(fs::exists(path("ballast")));
  }
  options_.disk_critical_bytes = UINT64_MAX;
  const auto store = open_store(options_);
  EXPECT_EQ(store->pressure().disk, Pressure::Disk::critical);
  EXPECT_FALSE(fs::exists(path("ballast")));
}

TEST(PressureGaugeTest, TheBudgetShrinksBeforeRocksDbStalls) {
  RocksOptions options;
  options.budget_bytes = 64'000;
  PressureGauge gauge(options);
  EXPECT_EQ(gauge.get().budget_bytes, 64'000u);
  gauge.memtable_sealed("log-202605");
  EXPECT_EQ(gauge.get().budget_bytes, 64'000u);  // one waits for its flush: normal
  gauge.memtable_sealed("state");
  EXPECT_EQ(gauge.get().budget_bytes, 64'000u);
  gauge.memtable_sealed("log-202605");
  EXPECT_EQ(gauge.get().budget_bytes, 8'000u);
  gauge.memtables_waiting("log-202605", 0);
  EXPECT_EQ(gauge.get().budget_bytes, 64'000u);
  gauge.pending_compaction(uint64_t{40} << 30);
  EXPECT_EQ(gauge.get().budget_bytes, 16'000u);
  gauge.pending_compaction(0);
  gauge.stalled("state", rocksdb::WriteStallCondition::kDelayed);
  EXPECT_EQ(gauge.get().budget_bytes, 4'000u);
  gauge.stalled("state", rocksdb::WriteStallCondition::kStopped);
  EXPECT_FALSE(gauge.get().takes_publishes());
  gauge.stalled("state", rocksdb::WriteStallCondition::kNormal);
  EXPECT_TRUE(gauge.get().takes_publishes());
  gauge.add(64'000);
  EXPECT_FALSE(gauge.get().takes_publishes());
  gauge.subtract(64'000);
  EXPECT_TRUE(gauge.get().takes_publishes());
}

// RocksDB tells of the beginning and of the end of a stall from two threads; the end may come
// first. Nobody may publish then, so that nothing else would ever happen that tells of it.
TEST(StallTest, ThePollFindsThatItIsOver) {
  const test::TemporaryDirectory dir;
  const RocksOptions options = small_rocks_options(dir.path());
  PressureGauge gauge(options);
  const Families families(8);
  const Fatal fatal(options);
  const auto listener = make_listener(&gauge, &families, &fatal);
  rocksdb::Options plain;
  plain.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(plain, dir.path() + "/db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  const Monitor monitor(options, db.get(), &gauge);
  rocksdb::WriteStallInfo late;
  late.cf_name = "default";
  late.condition = {rocksdb::WriteStallCondition::kStopped, rocksdb::WriteStallCondition::kNormal};
  for (int stall = 0; stall < 3; ++stall) {
    listener->OnStallConditionsChanged(late);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!gauge.get().takes_publishes() && std::chrono::steady_clock::now() < give_up)
      std::this_thread::yield();
    EXPECT_TRUE(gauge.get().takes_publishes());
  }
}

TEST(FatalTest, EndsTheProcessWithTheCodeOfTheCause) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const RocksOptions options;
  const Fatal fatal(options);
  EXPECT_EXIT(fatal("writing failed", rocksdb::Status::NoSpace("No space left", "/x/000007.log")),
              ::testing::ExitedWithCode(kExitStoreDiskFull), "000007.log");
  EXPECT_EXIT(fatal("syncing failed", rocksdb::Status::IOError("I/O error", "/x/000007.log")),
              ::testing::ExitedWithCode(kExitStoreIoError), "store_io_error");
  EXPECT_EXIT(fatal("writing failed", rocksdb::Status::Aborted()),
              ::testing::ExitedWithCode(kExitStoreFailed), "store_failed");
}

}  // namespace
}  // namespace headrace::storage

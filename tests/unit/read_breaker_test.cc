#include "storage/rocks/read_breaker.h"

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>

#include "storage/rocks/exit_codes.h"
#include "storage/rocks/rocks_store.h"
#include "tests/support/rocks_harness.h"

namespace headrace::storage {
namespace {

const auto kBadDevice = rocksdb::Status::IOError("no more");

class ReadBreakerTest : public testing::Test {
 protected:
  ReadBreakerTest() {
    options_.on_fatal = [this](int exit_code, std::string_view) { exit_code_ = exit_code; };
  }
  void fail(uint32_t times, uint64_t places, const rocksdb::Status& status = kBadDevice) {
    for (uint32_t i = 0; i < times; ++i) breaker_.failed(i % places, status);
  }

  RocksOptions options_;
  int exit_code_ = 0;
  const Fatal fatal_{options_};
  ReadBreaker breaker_{&fatal_};
};

TEST_F(ReadBreakerTest, EndsWhatFailsAgainAndAgain) {
  fail(ReadBreaker::kFailures - 1, 100);
  EXPECT_EQ(exit_code_, 0);
  fail(1, 100);
  EXPECT_EQ(exit_code_, kExitStoreIoError);
}

TEST_F(ReadBreakerTest, BeginsAnewAfterASuccess) {
  fail(ReadBreaker::kFailures - 1, 100);
  breaker_.succeeded();
  fail(ReadBreaker::kFailures - 1, 100);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(ReadBreakerTest, OnePlaceIsNotTheDevice) {
  fail(10 * ReadBreaker::kFailures, ReadBreaker::kPlaces - 1);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(ReadBreakerTest, DamageIsNotTheDevice) {
  fail(10 * ReadBreaker::kFailures, 100, rocksdb::Status::Corruption("a checksum"));
  EXPECT_EQ(exit_code_, 0);
}

// A disk whose files can no longer be read, once it is broken.
class BrokenDisk final : public rocksdb::FileSystemWrapper {
 public:
  BrokenDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "BrokenDisk"; }
  void break_down() { broken_ = true; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override {
    auto status = FileSystemWrapper::NewRandomAccessFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(std::move(*file), &broken_);
    return status;
  }

 private:
  class File final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const std::atomic<bool>* broken)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), broken_(broken) {}

    rocksdb::IOStatus Read(uint64_t offset, size_t size, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* debug) const override {
      if (broken_->load()) return rocksdb::IOStatus::IOError("the disk is broken");
      return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, debug);
    }
    rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count,
                                const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* debug) override {
      for (size_t i = 0; i < count; ++i) {
        requests[i].status = Read(requests[i].offset, requests[i].len, options, &requests[i].result,
                                  requests[i].scratch, debug);
      }
      return rocksdb::IOStatus::OK();
    }

   private:
    const std::atomic<bool>* const broken_;
  };

  std::atomic<bool> broken_{false};
};

TEST(ReadBreakerOfAStore, TellsEveryReadAndEndsTheProcess) {
  auto disk = std::make_shared<BrokenDisk>();
  std::atomic<int> exit_code{0};
  test::TemporaryDirectory dir;
  test::TestSink sink;
  RocksOptions options = test::small_rocks_options(dir.path());
  options.file_system = disk;
  options.on_fatal = [&](int code, std::string_view) { exit_code = code; };
  const auto row = [](uint32_t number) {
    return state_prefix(TenantId(1), StateKind::health).append(number);
  };
  constexpr uint32_t kRows = 400;  // many blocks: the first one is cached when it was read
  {
    auto store = test::open_store(options);
    WriteSet set;
    set.sequence = 1;
    for (uint32_t i = 0; i < kRows; ++i) set.put({Table::state}, row(i), std::string(400, 'x'));
    ASSERT_EQ(test::commit(*store, sink, std::move(set)), Status::ok);
  }
  auto store = test::open_store(options);  // what was in memory is in a file now
  EXPECT_TRUE(test::read(*store, sink, {Table::state}, row(0)).found);
  disk->break_down();
  for (uint32_t i = kRows / 2; i < kRows && exit_code == 0; ++i) {
    EXPECT_EQ(test::read(*store, sink, {Table::state}, row(i)).status, Status::io_error);
  }
  EXPECT_EQ(exit_code, kExitStoreIoError);
}

}  // namespace
}  // namespace headrace::storage

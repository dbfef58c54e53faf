#include "storage/rocks/wal_guard.h"

#include <rocksdb/status.h>

#include <string>
#include <string_view>
#include <utility>

namespace headrace::storage {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

bool is_wal(std::string_view path) {
  return path.ends_with(".log");
}

class GuardedWal final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  GuardedWal(std::unique_ptr<FSWritableFile>&& file, const Fatal* fatal)
      : FSWritableFileOwnerWrapper(std::move(file)), fatal_(fatal) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return written(FSWritableFileOwnerWrapper::Append(data, options, debug));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return written(FSWritableFileOwnerWrapper::Append(data, options, info, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return written(FSWritableFileOwnerWrapper::Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return synced(FSWritableFileOwnerWrapper::Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return synced(FSWritableFileOwnerWrapper::Fsync(options, debug));
  }

 private:
  IOStatus written(IOStatus status) {
    if (!status.ok()) (*fatal_)("writing the log failed", status);
    return status;
  }
  IOStatus synced(IOStatus status) {
    if (!status.ok()) (*fatal_)("syncing the log failed", status);
    return status;
  }

  const Fatal* const fatal_;
};

class WalGuard final : public rocksdb::FileSystemWrapper {
 public:
  WalGuard(const std::shared_ptr<rocksdb::FileSystem>& target, const Fatal* fatal)
      : FileSystemWrapper(target), fatal_(fatal) {}

  const char* Name() const override { return "WalGuard"; }
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
    if (!is_wal(path)) return status;
    if (status.ok()) {
      *file = std::make_unique<GuardedWal>(std::move(*file), fatal_);
    } else {
      (*fatal_)("making a log file failed", status);
    }
    return status;
  }

 private:
  const Fatal* const fatal_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> guard_wal(const std::shared_ptr<rocksdb::FileSystem>& target,
                                               const Fatal* fatal) {
  return std::make_shared<WalGuard>(target, fatal);
}

}  // namespace headrace::storage

#include "tests/support/unsynced_fs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "metrics/check.h"

namespace headrace::test {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

namespace fs = std::filesystem;

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string read_range(const std::string& path, uint64_t offset, size_t size) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

}  // namespace

// Reports every write and sync of one file to the file system.
class UnsyncedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  UnsyncedFile(UnsyncedFs* disk, std::string path, std::unique_ptr<FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  using FSWritableFileOwnerWrapper::Append;
  using FSWritableFileOwnerWrapper::PositionedAppend;

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    bool torn = false;
    if (!disk_->powered(path_, &torn)) {
      if (!torn) return IOStatus::OK();
      const Slice piece(data.data(), disk_->random_below(data.size() + 1));
      const IOStatus ignored = FSWritableFileOwnerWrapper::Append(piece, options, debug);
      wrote(piece.size());
      return IOStatus::OK();
    }
    const IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, debug);
    wrote(data.size());
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    bool torn = false;
    if (!disk_->powered(path_, &torn) && !torn) return IOStatus::OK();
    // Direct writes are aligned blocks: a torn one is not written at all.
    Slice piece = data;
    if (torn) piece = Slice(data.data(), use_direct_io() ? 0 : disk_->random_below(data.size()));
    remember(offset, piece.size());
    const IOStatus status =
        FSWritableFileOwnerWrapper::PositionedAppend(piece, offset, options, debug);
    return torn ? IOStatus::OK() : status;
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return PositionedAppend(data, offset, options, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    if (disk_->cut()) return IOStatus::OK();
    {
      const std::lock_guard lock(disk_->mutex_);
      auto& file = disk_->files_[path_];
      file.written_bytes = size;
      file.synced_bytes = std::min(file.synced_bytes, size);
    }
    return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    // Closing trims preallocated space, which changes no content: it may happen after the cut.
    return FSWritableFileOwnerWrapper::Close(options, debug);
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return sync(); }
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();  // promises nothing
  }

 private:
  void wrote(size_t size) {
    const std::lock_guard lock(disk_->mutex_);
    disk_->files_[path_].written_bytes += size;
  }
  void remember(uint64_t offset, size_t size) {
    const std::lock_guard lock(disk_->mutex_);
    auto& file = disk_->files_[path_];
    if (offset < file.synced_bytes) {
      const size_t over = std::min<uint64_t>(size, file.synced_bytes - offset);
      file.overwrites.push_back({offset, read_range(path_, offset, over)});
    }
    file.written_bytes = std::max(file.written_bytes, offset + size);
  }
  IOStatus sync() {
    uint64_t written = 0;
    size_t overwrites = 0;
    {
      const std::lock_guard lock(disk_->mutex_);
      written = disk_->files_[path_].written_bytes;
      overwrites = disk_->files_[path_].overwrites.size();
    }
    // What another thread writes from here on is not covered.
    bool torn = false;
    if (!disk_->powered(path_, &torn)) return disk_->off(path_);
    const std::lock_guard lock(disk_->mutex_);
    auto& file = disk_->files_[path_];
    file.synced_bytes = std::max(file.synced_bytes, written);
    file.overwrites.erase(file.overwrites.begin(),
                          file.overwrites.begin() + static_cast<ptrdiff_t>(overwrites));
    return IOStatus::OK();
  }

  UnsyncedFs* const disk_;
  const std::string path_;
};

class UnsyncedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  UnsyncedDirectory(UnsyncedFs* disk, std::string path, std::unique_ptr<FSDirectory>&& directory)
      : FSDirectoryWrapper(std::move(directory)), disk_(disk), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    if (disk_->cut()) return disk_->off(path_);
    disk_->sync_directory(path_);
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  UnsyncedFs* const disk_;
  const std::string path_;
};

// After the cut writes vanish without an error, only syncs fail, as with a disk behind a cache: and
// RocksDB, which Debian builds with its assertions, must not be asked to write to a file whose
// write failed.
UnsyncedFs::UnsyncedFs(uint64_t seed)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), prng_(seed) {}

void UnsyncedFs::cut_after(uint64_t operations) {
  const std::lock_guard lock(mutex_);
  operations_left_ = operations;
}

bool UnsyncedFs::powered(const std::string& path, bool* torn) {
  if (cut()) return false;
  if (!path.ends_with(".log")) return true;
  ++log_operations_;
  const std::lock_guard lock(mutex_);
  if (cut() || --operations_left_ > 0) return !cut();
  *torn = true;
  cut_.store(true);
  return false;
}

uint64_t UnsyncedFs::random_below(uint64_t bound) {
  const std::lock_guard lock(mutex_);
  return prng_.below(bound);
}

IOStatus UnsyncedFs::off(const std::string& path) const {
  return IOStatus::IOError("the power is gone", path);
}

IOStatus UnsyncedFs::NewWritableFile(const std::string& path, const FileOptions& options,
                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                     IODebugContext* debug) {
  if (cut()) return off(path);
  std::unique_ptr<rocksdb::FSWritableFile> inner;
  const IOStatus status = target()->NewWritableFile(path, options, &inner, debug);
  if (!status.ok()) return status;
  {
    const std::lock_guard lock(mutex_);
    files_[path] = File{};
  }
  *file = std::make_unique<UnsyncedFile>(this, path, std::move(inner));
  return status;
}

IOStatus UnsyncedFs::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* debug) {
  if (cut()) return off(path);
  std::unique_ptr<rocksdb::FSWritableFile> inner;
  const IOStatus status = target()->ReopenWritableFile(path, options, &inner, debug);
  if (!status.ok()) return status;
  *file = std::make_unique<UnsyncedFile>(this, path, std::move(inner));
  return status;
}

IOStatus UnsyncedFs::NewDirectory(const std::string& path, const IOOptions& options,
                                  std::unique_ptr<rocksdb::FSDirectory>* directory,
                                  IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> inner;
  const IOStatus status = target()->NewDirectory(path, options, &inner, debug);
  if (!status.ok()) return status;
  *directory = std::make_unique<UnsyncedDirectory>(this, path, std::move(inner));
  return status;
}

IOStatus UnsyncedFs::RenameFile(const std::string& from, const std::string& to,
                                const IOOptions& options, IODebugContext* debug) {
  if (cut()) return off(from);
  const bool replaces = fs::exists(to);
  std::string older = replaces ? read_all(to) : std::string();
  const IOStatus status = target()->RenameFile(from, to, options, debug);
  const std::lock_guard lock(mutex_);
  const auto known = files_.find(from);
  if (!status.ok() || known == files_.end()) return status;
  File moved = std::move(known->second);
  files_.erase(known);
  moved.entry_synced = false;
  moved.replaced = replaces;
  moved.older_content = std::move(older);
  files_[to] = std::move(moved);
  return status;
}

IOStatus UnsyncedFs::DeleteFile(const std::string& path, const IOOptions& options,
                                IODebugContext* debug) {
  if (cut()) return off(path);
  {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
  }
  return target()->DeleteFile(path, options, debug);
}

IOStatus UnsyncedFs::Truncate(const std::string& path, size_t size, const IOOptions& options,
                              IODebugContext* debug) {
  return cut() ? off(path) : target()->Truncate(path, size, options, debug);
}

void UnsyncedFs::sync_directory(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  const fs::path wanted = (fs::path(dir) / "").parent_path();
  for (auto& [path, file] : files_) {
    if (fs::path(path).parent_path() != wanted) continue;
    file.entry_synced = true;
    file.replaced = false;
    file.older_content.clear();
  }
}

void UnsyncedFs::drop_unsynced(uint64_t choice) {
  const std::lock_guard lock(mutex_);
  Prng prng(choice);
  for (const auto& [path, file] : files_) restore(path, file, prng);
  files_.clear();
  cut_.store(false);
  operations_left_ = UINT64_MAX;
}

void UnsyncedFs::restore(const std::string& path, const File& file, Prng& prng) {
  if (!fs::exists(path)) return;
  if (!file.entry_synced) {
    fs::remove(path);
    if (file.replaced) std::ofstream(path, std::ios::binary) << file.older_content;
    return;
  }
  std::fstream bytes(path, std::ios::binary | std::ios::in | std::ios::out);
  for (auto over = file.overwrites.rbegin(); over != file.overwrites.rend(); ++over) {
    bytes.seekp(static_cast<std::streamoff>(over->offset));
    bytes.write(over->older.data(), static_cast<std::streamsize>(over->older.size()));
  }
  bytes.close();
  const uint64_t size = fs::file_size(path);
  if (size <= file.synced_bytes) return;
  // Half of the cuts take everything unsynced, the others leave a torn tail.
  const uint64_t tail = size - file.synced_bytes;
  const uint64_t kept = prng.chance(0.5) ? 0 : prng.below(tail + 1);
  fs::resize_file(path, file.synced_bytes + kept);
}

}  // namespace headrace::test

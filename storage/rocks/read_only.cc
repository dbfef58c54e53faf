#include "storage/rocks/read_only.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include "storage/rocks/data_directory.h"
#include "storage/rocks/families.h"
#include "storage/rocks/options.h"
#include "storage/rocks/slice.h"

namespace headrace::storage {
namespace {

// Without one RocksDB makes a log file in the directory and renames the older ones.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class RowCursor final : public ReadOnlyStore::Cursor {
 public:
  RowCursor(rocksdb::DB* db, FamilyRef family, const Key& from, const Key& to)
      : to_(to), upper_(slice(to_)), family_(std::move(family)) {
    if (family_ == nullptr) return;
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_;
    options.fill_cache = false;
    iterator_.reset(db->NewIterator(options, family_->handle()));
    iterator_->Seek(slice(from));
  }

  bool valid() const override { return iterator_ != nullptr && iterator_->Valid(); }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  void next() override { iterator_->Next(); }
  std::string error() const override {
    if (iterator_ == nullptr || iterator_->status().ok()) return {};
    return iterator_->status().ToString();
  }

 private:
  const Key to_;
  const rocksdb::Slice upper_;
  const FamilyRef family_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// Whether another process holds RocksDB's lock; asked without taking it.
bool is_locked(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool held = ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

RocksOptions options_of(const std::string& data_dir) {
  RocksOptions options;
  options.data_dir = data_dir;
  return options;
}

}  // namespace

class ReadOnlyStore::Parts {
 public:
  explicit Parts(const std::string& data_dir)
      : options_(options_of(data_dir)), engine_(options_), families_(options_.max_families) {}
  ~Parts() {
    if (db_ != nullptr) families_.clear();
  }

  bool open(std::string* error);

  const RocksOptions options_;
  EngineOptions engine_;
  std::unique_ptr<rocksdb::DB> db_;
  Families families_;
  std::vector<std::pair<Month, TenantId>> log_families_;
};

bool ReadOnlyStore::Parts::open(std::string* error) {
  if (!check_data_directory(options_.data_dir, error)) return false;
  const std::string path = options_.data_dir + "/db";
  if (is_locked(path + "/LOCK")) {
    *error = "data directory " + options_.data_dir +
             " is served by a running headrace: stop it first, or ask it (doctor without --data)";
    return false;
  }
  engine_.db.create_if_missing = false;
  engine_.db.create_missing_column_families = false;
  engine_.db.info_log = std::make_shared<NoLog>();
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  if (!list_families(engine_, options_.data_dir, &wanted, error)) return false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(engine_.db, path, wanted, &handles, &db);
  if (!status.ok()) {
    *error = open_failure(options_.data_dir, status.ToString(), status.IsCorruption());
    return false;
  }
  db_.reset(db);
  families_.adopt(db, handles);
  for (const auto& family : wanted) {
    if (const auto log = parse_log_family_name(family.name)) log_families_.push_back(*log);
  }
  return true;
}

std::unique_ptr<ReadOnlyStore> ReadOnlyStore::open(const std::string& data_dir,
                                                   std::string* error) {
  auto parts = std::make_unique<Parts>(data_dir);
  if (!parts->open(error)) return nullptr;
  return std::unique_ptr<ReadOnlyStore>(new ReadOnlyStore(std::move(parts)));
}

ReadOnlyStore::ReadOnlyStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ReadOnlyStore::~ReadOnlyStore() = default;

std::unique_ptr<ReadOnlyStore::Cursor> ReadOnlyStore::scan(const Place& place, const Key& from,
                                                           const Key& to) const {
  return std::make_unique<RowCursor>(parts_->db_.get(), parts_->families_.for_read(place), from,
                                     to);
}

const std::vector<std::pair<Month, TenantId>>& ReadOnlyStore::log_families() const {
  return parts_->log_families_;
}

}  // namespace headrace::storage

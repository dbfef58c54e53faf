#include "storage/rocks/rocks_store.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <vector>

#include "metrics/log.h"
#include "storage/rocks/committer.h"
#include "storage/rocks/crc32c.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/families.h"
#include "storage/rocks/fatal.h"
#include "storage/rocks/group_writer.h"
#include "storage/rocks/options.h"
#include "storage/rocks/pressure.h"
#include "storage/rocks/reads.h"
#include "storage/rocks/retention.h"
#include "storage/rocks/syncer.h"
#include "storage/rocks/wal_guard.h"
#include "storage/rocks/workers.h"

namespace headrace::storage {

// Members in the order they are made; destroyed in reverse.
class RocksStore::Parts {
 public:
  explicit Parts(const RocksOptions& options)
      : options_(options),
        engine_(options_),
        fatal_(options_),
        gauge_(options_),
        families_(options_.max_families) {}
  ~Parts();

  bool open(std::string* error);

  const RocksOptions options_;
  EngineOptions engine_;
  const Fatal fatal_;
  PressureGauge gauge_;
  Families families_;
  std::unique_ptr<rocksdb::Env> env_;  // over the guarded file system
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<Syncer> syncer_;
  std::unique_ptr<Committer> committer_;
  ReadBreaker breaker_{&fatal_};
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<Backups> backups_;

 private:
  bool check_options(std::string* error);
  void drop_empty_months();
  void start(uint64_t last_group);
};

RocksStore::Parts::~Parts() {
  backups_.reset();
  monitor_.reset();
  committer_.reset();  // writes what was submitted
  workers_.reset();    // finishes reads, which may still wait for a sync
  syncer_.reset();     // syncs and completes the rest
  if (db_ == nullptr) return;
  rocksdb::CancelAllBackgroundWork(db_.get(), true);  // listeners use the families
  families_.clear();
  db_->Close().PermitUncheckedError();
}

bool RocksStore::Parts::open(std::string* error) {
  if (!prepare_data_directory(options_.data_dir, error)) return false;
  const auto& disk = options_.file_system ? options_.file_system : rocksdb::FileSystem::Default();
  env_ = rocksdb::NewCompositeEnv(guard_wal(disk, &fatal_));
  engine_.db.env = env_.get();
  engine_.db.listeners.push_back(make_listener(&gauge_, &families_, &fatal_));
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  if (!list_families(engine_, options_.data_dir, &wanted, error)) return false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(engine_.db, options_.data_dir + "/db", wanted, &handles, &db);
  if (!status.ok()) {
    *error = open_failure(options_.data_dir, status.ToString(), status.IsCorruption());
    return false;
  }
  db_.reset(db);
  families_.adopt(db, handles);
  if (!check_options(error)) return false;
  uint64_t last_group = 0;
  const rocksdb::Status read = read_last_group(db, families_, &last_group);
  if (!read.ok()) {
    *error = open_failure(options_.data_dir, read.ToString(), read.IsCorruption());
    return false;
  }
  drop_empty_months();
  start(last_group);
  return true;
}

bool RocksStore::Parts::check_options(std::string* error) {
  std::string changed = changed_options(engine_, db_->GetDBOptions());
  for (const FamilyRef& family : families_.all()) {
    const std::string name = family->handle()->GetName();
    const bool log_family = parse_log_family_name(name).has_value();
    for (size_t i = log_family ? 0 : 1; i < kTableCount; ++i) {
      const auto table = static_cast<Table>(i);
      if (!log_family && name != to_string(table)) continue;
      const std::string found =
          changed_options(engine_.family(table), db_->GetOptions(family->handle()));
      if (!found.empty()) changed += " [" + name + ": " + found + "]";
      break;
    }
  }
  if (changed.empty()) return true;
  *error = "RocksDB changed options it was opened with: " + changed;
  return false;
}

// A month whose last pooled tenant was dropped leaves an empty family behind. It goes at the next
// start, when nothing is on its way to it; the broker makes the months it needs again.
void RocksStore::Parts::drop_empty_months() {
  for (const LogFamily& empty : families_.empty_months()) {
    const FamilyRef family = families_.forget(empty);
    const rocksdb::Status status = db_->DropColumnFamily(family->handle());
    if (!status.ok())
      log::warn("an empty month could not be dropped", {{"cause", status.ToString()}});
  }
}

void RocksStore::Parts::start(uint64_t last_group) {
  workers_ = std::make_unique<Workers>(options_.workers, options_.max_queued_reads);
  syncer_ = std::make_unique<Syncer>(db_.get(), &gauge_, &fatal_, last_group);
  retention_ = std::make_unique<Retention>(db_.get(), engine_, &families_, workers_.get(), &fatal_);
  committer_ = std::make_unique<Committer>(
      options_, db_.get(), &families_, syncer_.get(), &gauge_, &fatal_, last_group,
      [this](Maintenance* work) { retention_->run(work, committer_.get()); });
  reader_ =
      std::make_unique<Reader>(db_.get(), &families_, committer_.get(), syncer_.get(), &breaker_);
  monitor_ = std::make_unique<Monitor>(options_, db_.get(), &gauge_);
}

std::unique_ptr<RocksStore> RocksStore::open(const RocksOptions& options, std::string* error) {
  auto parts = std::make_unique<Parts>(options);
  if (!parts->open(error)) return nullptr;
  std::unique_ptr<RocksStore> store(new RocksStore(std::move(parts)));
  const Info info = store->info();
  log::info("store opened", {{"data_dir", options.data_dir},
                             {"families", info.families},
                             {"last_group", info.last_group},
                             {"crc32c", info.crc32c_in_hardware ? "hardware" : "RocksDB's own"}});
  if (!info.crc32c_in_hardware) {
    log::warn("RocksDB uses its own CRC32C: the log is slower, not less safe");
  }
  return store;
}

RocksStore::RocksStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RocksStore::~RocksStore() = default;

void RocksStore::keep_backups(BackupOptions options) {
  parts_->backups_ = std::make_unique<Backups>(parts_->db_.get(), std::move(options));
}

Backups& RocksStore::backups() {
  return *parts_->backups_;
}

void RocksStore::commit(Commit* commit) {
  parts_->committer_->submit(commit);
}

void RocksStore::read(Read* read) {
  const bool queued = parts_->workers_->submit_read(
      read->items.empty() ? kNodeTenant : read->items.front().place.tenant,
      [parts = parts_.get(), read] {
        if (parts->reader_->execute(read)) read->sink->post(read);
      });
  if (queued) return;
  read->status = Status::full;
  read->sink->post(read);
}

void RocksStore::scan(Scan* scan) {
  const bool queued =
      parts_->workers_->submit_read(scan->place.tenant, [parts = parts_.get(), scan] {
        if (parts->reader_->execute(scan)) scan->sink->post(scan);
      });
  if (queued) return;
  scan->status = Status::full;
  scan->sink->post(scan);
}

void RocksStore::maintain(Maintenance* work) {
  parts_->committer_->submit(work);
}

void RocksStore::work(Work* work) {
  const bool queued = parts_->workers_->submit_read(work->tenant, [work] {
    work->execute();
    work->sink->post(work);
  });
  if (queued) return;
  work->status = Status::full;
  work->sink->post(work);
}

Pressure RocksStore::pressure() const {
  return parts_->gauge_.get();
}

RocksStore::Info RocksStore::info() const {
  Info info;
  info.crc32c_in_hardware = crc32c_interposed();
  info.last_group = parts_->syncer_->synced();
  info.families = parts_->families_.count();
  rocksdb::DB* db = parts_->db_.get();
  uint64_t tables = 0;
  uint64_t blobs = 0;
  db->GetAggregatedIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &tables);
  db->GetAggregatedIntProperty(rocksdb::DB::Properties::kLiveBlobFileSize, &blobs);
  info.log_bytes = tables + blobs;
  db->GetAggregatedIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &info.memtable_bytes);
  return info;
}

}  // namespace headrace::storage

#include "storage/rocks/backup.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/utilities/backup_engine.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>

#include "metrics/big_endian.h"
#include "metrics/log.h"
#include "storage/keys.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/families.h"
#include "storage/rocks/options.h"
#include "storage/rocks/slice.h"
#include "storage/synced_file.h"

namespace headrace::storage {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kProgressBytes = 4u << 20;
// No broker is opened so often that it would catch up.
constexpr uint32_t kEpochsAfterRestore = 1u << 16;

rocksdb::BackupEngineOptions engine_options(const std::string& dir, uint64_t rate_bytes) {
  rocksdb::BackupEngineOptions options(dir);
  options.callback_trigger_interval_size = kProgressBytes;
  options.backup_rate_limit = rate_bytes;
  return options;
}

template <class Engine>
std::vector<BackupInfo> kept_in(const Engine& engine) {
  std::vector<rocksdb::BackupInfo> found;
  engine.GetBackupInfo(&found);
  std::vector<BackupInfo> kept;
  for (const auto& one : found) {
    kept.push_back({one.backup_id, one.timestamp, one.size, one.number_files});
  }
  std::ranges::sort(kept, {}, &BackupInfo::id);
  return kept;
}

std::string in_backups(const std::string& dir) {
  return "the backups in " + dir;
}

using Reader = std::unique_ptr<rocksdb::BackupEngineReadOnly>;

Reader open_backups(const std::string& dir, std::string* error) {
  rocksdb::BackupEngineReadOnly* opened = nullptr;
  if (!fs::is_directory(dir + "/meta")) {
    *error = in_backups(dir) + ": there are none";
    return nullptr;
  }
  const auto status =
      rocksdb::BackupEngineReadOnly::Open(engine_options(dir, 0), rocksdb::Env::Default(), &opened);
  if (status.ok()) return Reader(opened);
  *error = in_backups(dir) + " cannot be read: " + status.ToString();
  return nullptr;
}

bool may_become_data_directory(const std::string& dir, std::string* error) {
  std::error_code code;
  if (!fs::exists(dir, code) || fs::is_empty(dir, code)) return true;
  *error = dir + " is not empty: restore into a directory that is new";
  return false;
}

uint32_t shards_of(const std::string& identity) {
  constexpr std::string_view kName = "shards ";
  const size_t at = identity.find(kName);
  uint32_t shards = 0;
  if (at == std::string::npos) return 0;
  const char* begin = identity.data() + at + kName.size();
  std::from_chars(begin, identity.data() + identity.size(), shards);
  return shards;
}

// Through RocksDB itself: nothing else has this directory open.
bool raise_epochs(const std::string& data_dir, uint32_t shards, std::string* error) {
  RocksOptions options;
  options.data_dir = data_dir;
  const EngineOptions engine(options);
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  if (!list_families(engine, data_dir, &wanted, error)) return false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status =
      rocksdb::DB::Open(engine.db, data_dir + "/db", wanted, &handles, &opened);
  if (!status.ok()) {
    *error = open_failure(data_dir, status.ToString(), status.IsCorruption());
    return false;
  }
  const std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::ColumnFamilyHandle* state = nullptr;
  for (auto* handle : handles) {
    if (handle->GetName() == to_string(Table::state)) state = handle;
  }
  rocksdb::WriteBatch batch;
  for (uint32_t shard = 0; shard < shards && state != nullptr; ++shard) {
    const Key key = epoch_key(ShardId(static_cast<uint16_t>(shard)));
    std::string row;
    const rocksdb::Status got = db->Get({}, state, slice(key), &row);
    if (!got.ok() || row.size() != sizeof(uint32_t)) continue;  // never opened
    const auto epoch = load_be<uint32_t>(reinterpret_cast<const std::byte*>(row.data()));
    store_be(reinterpret_cast<std::byte*>(row.data()), epoch + kEpochsAfterRestore);
    batch.Put(state, slice(key), row);
  }
  rocksdb::WriteOptions durable;
  durable.sync = true;
  status = state == nullptr ? rocksdb::Status::Corruption("no family of states")
                            : db->Write(durable, &batch);
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  const rocksdb::Status closed = db->Close();
  if (status.ok()) status = closed;
  if (!status.ok()) *error = data_dir + ": " + status.ToString();
  return status.ok();
}

}  // namespace

Backups::Backups(rocksdb::DB* db, BackupOptions options) : db_(db), options_(std::move(options)) {
  if (!configured()) return;
  std::string none;  // yet
  list_backups(options_.dir, &state_.kept, &none);
  thread_ = std::thread([this] { run(); });
}

Backups::~Backups() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Backups::start() {
  {
    const std::lock_guard lock(mutex_);
    if (state_.running) return false;
    state_.running = asked_ = true;
    state_.copied_bytes = 0;
  }
  wake_.notify_one();
  return true;
}

BackupState Backups::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Backups::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || asked_; });
    if (stop_) return;
    asked_ = false;
    lock.unlock();
    std::string error = make();
    if (!error.empty()) log::error("no backup was made", {{"why", error}});
    std::vector<BackupInfo> kept;
    std::string unread;
    list_backups(options_.dir, &kept, &unread);
    lock.lock();
    if (error.empty()) error = unread;
    state_.running = false;
    state_.last_error = std::move(error);
    state_.kept = std::move(kept);
  }
}

std::string Backups::make() {
  std::error_code code;
  fs::create_directories(options_.dir, code);
  if (!fs::is_directory(options_.dir)) return options_.dir + " cannot be made: " + code.message();
  rocksdb::BackupEngine* opened = nullptr;
  rocksdb::Status status = rocksdb::BackupEngine::Open(
      engine_options(options_.dir, options_.rate_bytes), rocksdb::Env::Default(), &opened);
  if (!status.ok()) return in_backups(options_.dir) + " cannot be opened: " + status.ToString();
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);
  rocksdb::CreateBackupOptions how;
  how.progress_callback = [&] {
    const std::lock_guard lock(mutex_);
    state_.copied_bytes += kProgressBytes;
    if (stop_) engine->StopBackup();
  };
  rocksdb::BackupID id = 0;
  status = engine->CreateNewBackupWithMetadata(how, db_, options_.identity, &id);
  if (status.ok()) status = engine->VerifyBackup(id);
  if (!status.ok()) return "the backup into " + options_.dir + " failed: " + status.ToString();
  log::info("backup made", {{"dir", options_.dir}, {"id", id}});
  // What an earlier one left that was cut off, and those that are too many.
  status = engine->GarbageCollect();
  if (status.ok() && options_.keep > 0) status = engine->PurgeOldBackups(options_.keep);
  if (!status.ok()) log::warn("old backups could not be removed", {{"why", status.ToString()}});
  return {};
}

bool list_backups(const std::string& dir, std::vector<BackupInfo>* kept, std::string* error) {
  const Reader engine = open_backups(dir, error);
  if (engine == nullptr) return false;
  *kept = kept_in(*engine);
  return true;
}

bool restore_backup(const std::string& dir, uint32_t id, const std::string& data_dir,
                    Restored* restored, std::string* error) {
  const Reader engine = open_backups(dir, error);
  if (engine == nullptr) return false;
  std::vector<rocksdb::BackupInfo> found;
  engine->GetBackupInfo(&found);
  std::ranges::sort(found, {}, &rocksdb::BackupInfo::backup_id);
  const auto chosen = id == 0 ? found.end() - (found.empty() ? 0 : 1)
                              : std::ranges::find(found, id, &rocksdb::BackupInfo::backup_id);
  if (chosen == found.end()) {
    *error =
        in_backups(dir) + ": none is whole" + (id == 0 ? "" : " with id " + std::to_string(id));
    return false;
  }
  restored->backup = {chosen->backup_id, chosen->timestamp, chosen->size, chosen->number_files};
  restored->shards = shards_of(chosen->app_metadata);
  rocksdb::Status status = engine->VerifyBackup(chosen->backup_id, true);
  if (!status.ok() || restored->shards == 0) {
    *error = in_backups(dir) + ": backup " + std::to_string(chosen->backup_id) +
             " is damaged: " + (status.ok() ? "it does not say whose it is" : status.ToString());
    return false;
  }
  if (data_dir.empty()) return true;
  if (!may_become_data_directory(data_dir, error)) return false;
  const std::string db = data_dir + "/db";
  std::error_code code;
  fs::create_directories(db, code);
  status = engine->RestoreDBFromBackup(chosen->backup_id, db, db);
  if (!status.ok()) {
    *error = "backup " + std::to_string(chosen->backup_id) + " could not be restored into " +
             data_dir + ": " + status.ToString();
    return false;
  }
  // FORMAT last: what has a database and no FORMAT is not opened.
  if (!raise_epochs(data_dir, restored->shards, error)) return false;
  if (!write_synced(data_dir, "IDENTITY", 0644, chosen->app_metadata)) {
    *error = data_dir + ": cannot write IDENTITY: " + std::strerror(errno);
    return false;
  }
  return write_format(data_dir, error);
}

}  // namespace headrace::storage

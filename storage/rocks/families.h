// Column families: one for each fixed table, one log family for each month, and one more for each
// (month, tenant) that is dedicated, so that dropping its month is one family drop.
//
// Threads: the committer is the only one that creates, drops and resolves for writing; workers and
// the monitor resolve for reading. A family is destroyed when its last holder lets go, which
// deletes its files if it was dropped.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/rocks/options.h"
#include "storage/write_set.h"

namespace headrace::storage {

class Family {
 public:
  Family(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* handle) : db_(db), handle_(handle) {}
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;
  ~Family() { db_->DestroyColumnFamilyHandle(handle_).PermitUncheckedError(); }

  rocksdb::ColumnFamilyHandle* handle() const { return handle_; }

 private:
  rocksdb::DB* const db_;
  rocksdb::ColumnFamilyHandle* const handle_;
};

using FamilyRef = std::shared_ptr<Family>;

// (month, tenant); tenant 0 is the month's pooled family.
using LogFamily = std::pair<Month, TenantId>;
constexpr TenantId kPooled{0};

std::string log_family_name(const LogFamily& family);  // "log-202607", "log-202607-42"
std::optional<LogFamily> parse_log_family_name(std::string_view name);

// What to open: every family that exists, and the fixed ones. False with a sentence.
bool list_families(const EngineOptions& engine, const std::string& data_dir,
                   std::vector<rocksdb::ColumnFamilyDescriptor>* families, std::string* error);

class Families {
 public:
  explicit Families(uint32_t max_families) : max_families_(max_families) {}

  // Takes over the handles that DB::Open returned, `default` among them.
  void adopt(rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& handles);
  void clear();  // before the database closes; every other holder is gone by then

  // Committer only. nullptr if the month has no family, or was dropped for this tenant.
  rocksdb::ColumnFamilyHandle* for_write(const Place& place);
  // Any thread. nullptr if the month has no family. Of a dropped tenant nothing is found in the
  // pooled one.
  FamilyRef for_read(const Place& place) const;

  rocksdb::ColumnFamilyHandle* bookkeeping() const { return default_->handle(); }
  FamilyRef by_name(std::string_view name) const;
  std::vector<FamilyRef> all() const;
  size_t count() const;

  // Committer only. Makes the month's pooled family and those of `dedicated` in one call, as far as
  // they are missing and the budget allows; who gets none of their own is pooled. A tenant that
  // already has rows in the pooled family of the month stays pooled.
  rocksdb::Status create_month(const EngineOptions& options, Month month,
                               const std::vector<TenantId>& dedicated);
  // Committer only. Marks (month, tenant) dropped for writers. Returns the tenant's own
  // family, or the pooled one, whose rows of the tenant the caller then removes by range.
  struct Dropped {
    FamilyRef family;
    bool dedicated = false;
  };
  Dropped detach(Month month, TenantId tenant);

  // At open only: pooled families without a row, the two newest months excepted (they are made
  // ahead); and removal of one from the maps.
  std::vector<LogFamily> empty_months() const;
  FamilyRef forget(const LogFamily& family);

 private:
  FamilyRef find_log(Month month, TenantId tenant) const;
  bool pooled_has_rows(Month month, TenantId tenant) const;

  const uint32_t max_families_;
  rocksdb::DB* db_ = nullptr;
  FamilyRef default_;
  std::array<FamilyRef, kTableCount> fixed_;
  mutable std::shared_mutex mutex_;  // guards what follows against readers
  std::map<LogFamily, FamilyRef> log_;
  std::set<LogFamily> dropped_;
};

}  // namespace headrace::storage

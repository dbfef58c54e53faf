#include "storage/rocks/families.h"

#include <charconv>
#include <filesystem>
#include <mutex>

#include "metrics/check.h"
#include "metrics/log.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/slice.h"

namespace headrace::storage {
namespace {

constexpr std::string_view kLogPrefix = "log-";

std::optional<uint32_t> parse_number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::string log_family_name(const LogFamily& family) {
  std::string name = std::string(kLogPrefix) + std::to_string(family.first.value());
  if (family.second != kPooled) name += "-" + std::to_string(family.second.value());
  return name;
}

std::optional<LogFamily> parse_log_family_name(std::string_view name) {
  if (!name.starts_with(kLogPrefix)) return std::nullopt;
  name.remove_prefix(kLogPrefix.size());
  const size_t dash = name.find('-');
  const auto month = parse_number(name.substr(0, dash));
  if (!month) return std::nullopt;
  if (dash == std::string_view::npos) return LogFamily{Month(*month), kPooled};
  const auto tenant = parse_number(name.substr(dash + 1));
  if (!tenant || *tenant == 0) return std::nullopt;
  return LogFamily{Month(*month), TenantId(*tenant)};
}

bool list_families(const EngineOptions& engine, const std::string& data_dir,
                   std::vector<rocksdb::ColumnFamilyDescriptor>* families, std::string* error) {
  const std::string dir = data_dir + "/db";
  std::vector<std::string> existing;
  if (std::filesystem::exists(dir + "/CURRENT")) {
    const rocksdb::Status status = rocksdb::DB::ListColumnFamilies(engine.db, dir, &existing);
    if (!status.ok()) {
      *error = open_failure(data_dir, status.ToString(), status.IsCorruption());
      return false;
    }
  }
  std::set<std::string> names(existing.begin(), existing.end());
  families->emplace_back(rocksdb::kDefaultColumnFamilyName, engine.family(Table::state));
  names.erase(rocksdb::kDefaultColumnFamilyName);
  for (size_t i = 1; i < kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    families->emplace_back(std::string(to_string(table)), engine.family(table));
    names.erase(std::string(to_string(table)));
  }
  for (const std::string& name : names) {
    if (!parse_log_family_name(name)) {
      *error = "data directory " + data_dir + " holds a family `" + name +
               "` that this program does not know";
      return false;
    }
    families->emplace_back(name, engine.log);
  }
  return true;
}

void Families::adopt(rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  std::unique_lock lock(mutex_);
  db_ = db;
  for (auto* handle : handles) {
    auto family = std::make_shared<Family>(db, handle);
    const std::string& name = handle->GetName();
    if (name == rocksdb::kDefaultColumnFamilyName) {
      default_ = std::move(family);
    } else if (const auto log = parse_log_family_name(name)) {
      log_[*log] = std::move(family);
    } else {
      for (size_t i = 1; i < kTableCount; ++i) {
        if (name == to_string(static_cast<Table>(i))) fixed_[i] = std::move(family);
      }
    }
  }
  HR_CHECK(default_ != nullptr);
  for (size_t i = 1; i < kTableCount; ++i) HR_CHECK(fixed_[i] != nullptr);
}

void Families::clear() {
  std::unique_lock lock(mutex_);
  log_.clear();
  fixed_.fill(nullptr);
  default_.reset();
}

FamilyRef Families::find_log(Month month, TenantId tenant) const {
  auto found = log_.find({month, tenant});
  if (found == log_.end()) found = log_.find({month, kPooled});
  return found == log_.end() ? nullptr : found->second;
}

rocksdb::ColumnFamilyHandle* Families::for_write(const Place& place) {
  // The committer is the only one who changes the maps: it may look without the lock.
  if (place.table != Table::log) return fixed_[static_cast<size_t>(place.table)]->handle();
  if (dropped_.contains({place.month, place.tenant})) return nullptr;
  const FamilyRef family = find_log(place.month, place.tenant);
  return family == nullptr ? nullptr : family->handle();
}

FamilyRef Families::for_read(const Place& place) const {
  if (place.table != Table::log) return fixed_[static_cast<size_t>(place.table)];
  std::shared_lock lock(mutex_);
  return find_log(place.month, place.tenant);
}

FamilyRef Families::by_name(std::string_view name) const {
  for (const FamilyRef& family : all()) {
    if (family->handle()->GetName() == name) return family;
  }
  return nullptr;
}

std::vector<FamilyRef> Families::all() const {
  std::shared_lock lock(mutex_);
  std::vector<FamilyRef> families;
  for (const FamilyRef& family : fixed_) {
    if (family != nullptr) families.push_back(family);
  }
  for (const auto& [name, family] : log_) families.push_back(family);
  return families;
}

size_t Families::count() const {
  std::shared_lock lock(mutex_);
  return log_.size() + kTableCount;  // the fixed ones and `default`
}

bool Families::pooled_has_rows(Month month, TenantId tenant) const {
  const auto pooled = log_.find({month, kPooled});
  if (pooled == log_.end()) return false;
  const Key from = tenant_prefix(tenant);
  const Key to = from.after_prefix();
  const rocksdb::Slice upper = slice(to);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, pooled->second->handle()));
  it->Seek(slice(from));
  return it->Valid() || !it->status().ok();
}

rocksdb::Status Families::create_month(const EngineOptions& options, Month month,
                                       const std::vector<TenantId>& dedicated) {
  std::vector<LogFamily> wanted;
  if (!log_.contains({month, kPooled})) wanted.push_back({month, kPooled});
  for (const TenantId tenant : dedicated) {
    if (log_.contains({month, tenant}) || pooled_has_rows(month, tenant)) continue;
    if (count() + wanted.size() >= max_families_) {
      log::warn(
          "family budget used up, tenant is pooled this month",
          {{"tenant", tenant.value()}, {"month", month.value()}, {"max_families", max_families_}});
      continue;
    }
    wanted.push_back({month, tenant});
  }
  std::vector<std::string> names;
  for (const LogFamily& family : wanted) names.push_back(log_family_name(family));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::Status status;
  if (!names.empty()) status = db_->CreateColumnFamilies(options.log, names, &handles);
  std::unique_lock lock(mutex_);
  for (size_t i = 0; i < handles.size(); ++i) {
    log_[wanted[i]] = std::make_shared<Family>(db_, handles[i]);
  }
  // The label is in use again: what was dropped under it is gone for good.
  std::erase_if(dropped_, [&](const LogFamily& family) { return family.first == month; });
  return status;
}

Families::Dropped Families::detach(Month month, TenantId tenant) {
  std::unique_lock lock(mutex_);
  Dropped dropped;
  const auto own = log_.find({month, tenant});
  dropped.dedicated = own != log_.end();
  if (dropped.dedicated) {
    dropped.family = std::move(own->second);
    log_.erase(own);
  } else if (!dropped_.contains({month, tenant})) {
    dropped.family = find_log(month, tenant);
  }
  dropped_.insert({month, tenant});
  return dropped;
}

std::vector<LogFamily> Families::empty_months() const {
  std::vector<LogFamily> pooled;  // oldest first
  for (const auto& [name, family] : log_) {
    if (name.second == kPooled) pooled.push_back(name);
  }
  pooled.resize(pooled.size() < 2 ? 0 : pooled.size() - 2);
  std::erase_if(pooled, [this](const LogFamily& name) {
    const std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), log_.at(name)->handle()));
    it->SeekToFirst();
    return it->Valid() || !it->status().ok();
  });
  return pooled;
}

FamilyRef Families::forget(const LogFamily& family) {
  const std::unique_lock lock(mutex_);
  FamilyRef found = std::move(log_.at(family));
  log_.erase(family);
  return found;
}

}  // namespace headrace::storage

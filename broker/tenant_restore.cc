#include "broker/tenant_restore.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <semaphore>
#include <sstream>

#include "broker/core/api_audit.h"
#include "broker/core/catalog.h"
#include "broker/core/catalog_rows.h"
#include "metrics/quantity.h"
#include "metrics/time.h"
#include "records.pb.h"
#include "storage/audit_chain.h"
#include "storage/month.h"
#include "storage/rocks/read_only.h"
#include "storage/rocks/rocks_store.h"

namespace headrace::broker {
namespace {

namespace fs = std::filesystem;
using storage::Key;
using storage::Place;
using storage::Table;

constexpr size_t kSetBytes = 4u << 20;
constexpr Place kNodeState{Table::state, Month(0), kNodeTenant};

std::string text_of_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A data directory read from outside.
class OldData {
 public:
  static std::unique_ptr<OldData> open(const std::string& dir, std::string* error) {
    auto store = storage::ReadOnlyStore::open(dir, error);
    if (store == nullptr) return nullptr;
    auto data = std::make_unique<OldData>();
    data->store_ = std::move(store);
    return data;
  }

  // visit(key, value); false with the store's words if something cannot be read.
  template <class Visit>
  bool each(const Place& place, const Key& from, const Key& to, std::string* error,
            Visit&& visit) const {
    const auto rows = store_->scan(place, from, to);
    for (; rows->valid(); rows->next()) {
      if (!visit(rows->key(), rows->value())) return false;
    }
    *error = rows->error();
    return error->empty();
  }

  std::optional<std::string> get(const Place& place, const Key& key) const {
    const auto rows = store_->scan(place, key, key.after_prefix());
    if (!rows->valid() || rows->key() != key.view()) return std::nullopt;
    return std::string(rows->value());
  }

  // Number and record of the tenant with this name.
  std::optional<std::pair<TenantId, std::string>> tenant(const std::string& name,
                                                         std::string* error) const {
    std::optional<std::pair<TenantId, std::string>> found;
    const Key prefix = storage::state_prefix(kNodeTenant, storage::StateKind::catalog);
    each(kNodeState, prefix, prefix.after_prefix(), error,
         [&](std::string_view key, std::string_view value) {
           const auto entity = core::parse_entity(key);
           if (!entity || entity->entity != core::kTenantEntity) return true;
           const auto record = core::decode_tenant(TenantId(entity->id), value);
           if (record && record->name == name) {
             found.emplace(TenantId(entity->id), std::string(value));
           }
           return true;
         });
    return found;
  }

  // Months in which the tenant may have rows; whether it has a family of its own there.
  std::map<Month, bool> months(TenantId tenant) const {
    std::map<Month, bool> months;
    for (const auto& [month, owner] : store_->log_families()) {
      if (owner == TenantId(0) || owner == tenant) months[month] |= owner == tenant;
    }
    return months;
  }

  std::map<ShardId, storage::AuditHead> audit_heads(TenantId tenant, uint32_t shards) const {
    std::map<ShardId, storage::AuditHead> heads;
    for (uint32_t i = 0; i < shards; ++i) {
      const ShardId shard(static_cast<uint16_t>(i));
      const auto row = get(kNodeState, storage::audit_head_key(shard, tenant));
      const auto head = row ? storage::AuditHead::decode(*row) : std::nullopt;
      if (head) heads[shard] = *head;
    }
    return heads;
  }

 private:
  std::unique_ptr<storage::ReadOnlyStore> store_;
};

struct Set final : storage::Commit {
  void run() override {}
};
struct Question final : storage::Read {
  void run() override {}
};

// The data directory that the tenant comes into: sets of the meta shard, one after the other.
class NewData final : public storage::CompletionSink {
 public:
  bool open(const std::string& dir, std::string* error) {
    storage::RocksOptions options;
    options.data_dir = dir;
    options.ballast_bytes = 0;
    store_ = storage::RocksStore::open(options, error);
    if (store_ == nullptr) return false;
    Question read;
    read.items.push_back({kNodeState, storage::epoch_key(kMetaShard), {}, false});
    read.items.push_back({kNodeState, storage::applied_key(kMetaShard), {}, false});
    read.sink = this;
    store_->read(&read);
    done_.acquire();
    if (read.status != storage::Status::ok) {
      *error = dir + ": " + std::string(storage::to_string(read.status));
      return false;
    }
    if (read.items[0].found) epoch_ = load_be<uint32_t>(read.items[0].value.data());
    if (read.items[1].found) applied_ = load_be<uint64_t>(read.items[1].value.data());
    // As whoever opens a shard.
    std::string epoch(sizeof(epoch_), '\0');
    store_be(reinterpret_cast<std::byte*>(epoch.data()), ++epoch_);
    set().put(kNodeState, storage::epoch_key(kMetaShard), std::move(epoch));
    return true;
  }

  storage::WriteSet& set() { return commit_.set; }

  bool commit(std::string* error) {
    commit_.set.shard = kMetaShard;
    commit_.set.epoch = Epoch(epoch_);
    commit_.set.sequence = ++applied_;
    commit_.set.durability = Durability::durable;
    commit_.sink = this;
    store_->commit(&commit_);
    done_.acquire();
    if (commit_.status != storage::Status::ok) {
      *error = "a write failed: " + std::string(storage::to_string(commit_.status));
      return false;
    }
    commit_.set.clear();
    return true;
  }

  bool make_month(Month month, std::vector<TenantId> dedicated, std::string* error) {
    struct Creation final : storage::Maintenance {
      void run() override {}
    } creation;
    creation.kind = storage::Maintenance::Kind::create_month;
    creation.month = month;
    creation.dedicated = std::move(dedicated);
    creation.sink = this;
    store_->maintain(&creation);
    done_.acquire();
    if (creation.status == storage::Status::ok) return true;
    *error = "the family of a month: " + std::string(storage::to_string(creation.status));
    return false;
  }

  void post(storage::Completion*) noexcept override { done_.release(); }

 private:
  std::counting_semaphore<> done_{0};
  Set commit_;
  uint32_t epoch_ = 0;
  uint64_t applied_ = 0;
  std::unique_ptr<storage::RocksStore> store_;  // last: it completes what it has been given
};

class TenantCopy {
 public:
  TenantCopy(const TenantRestore& wanted, const OldData& from, TenantId tenant, std::string record,
             TenantRestored* restored)
      : wanted_(wanted),
        from_(from),
        tenant_(tenant),
        record_(std::move(record)),
        restored_(restored) {}

  // What the data directory has of it, while nobody has it open.
  bool look(const OldData& to, uint32_t shards, std::string* error);
  bool run(NewData* to, std::string* error);

 private:
  bool remove(NewData* to, std::string* error);
  bool copy(NewData* to, const Place& place, const Key& from, const Key& end, std::string* error);
  bool copy_tables(NewData* to, std::string* error);
  bool copy_audit(NewData* to, std::string* error);
  bool finish(NewData* to, std::string* error);
  void note(NewData* to);
  bool put(NewData* to, const Place& place, std::string_view key, std::string_view value,
           std::string* error);

  const TenantRestore& wanted_;
  const OldData& from_;
  const TenantId tenant_;
  const std::string record_;
  TenantRestored* const restored_;
  std::map<Month, bool> months_;                       // of either
  std::map<ShardId, storage::AuditHead> kept_heads_;   // of the data directory
  std::map<ShardId, storage::AuditHead> taken_heads_;  // of the backup, where it has more
  std::map<uint8_t, std::string> id_blocks_;           // that are to be raised
};

bool TenantCopy::look(const OldData& to, uint32_t shards, std::string* error) {
  const auto same_name = to.tenant(wanted_.tenant, error);
  if (!error->empty()) return false;
  const Key record_key = storage::catalog_key(kNodeTenant, core::kTenantEntity, tenant_.value());
  const bool there = to.get(kNodeState, record_key).has_value();
  if (same_name && same_name->first != tenant_) {
    *error = "another tenant is called '" + wanted_.tenant + "' by now: delete it first";
    return false;
  }
  if (there && !wanted_.replace) {
    *error = "tenant '" + wanted_.tenant +
             "' exists: --replace puts what the backup has in the place of all that it has";
    return false;
  }
  months_ = from_.months(tenant_);
  for (const auto& [month, dedicated] : to.months(tenant_)) months_[month] |= dedicated;
  kept_heads_ = to.audit_heads(tenant_, shards);
  for (const auto& [shard, head] : from_.audit_heads(tenant_, shards)) {
    if (head.last > kept_heads_[shard].last) taken_heads_[shard] = head;
  }
  for (const uint8_t kind : core::kIdKinds) {
    const auto before = from_.get(kNodeState, storage::id_block_key(kind));
    const auto now = to.get(kNodeState, storage::id_block_key(kind));
    if (before && (!now || *now < *before)) id_blocks_[kind] = *before;
  }
  return true;
}

// The catalog first: from this set on the tenant is gone.
bool TenantCopy::remove(NewData* to, std::string* error) {
  auto& set = to->set();
  set.remove(kNodeState, storage::catalog_key(kNodeTenant, core::kTenantEntity, tenant_.value()));
  const Key prefix = storage::tenant_prefix(tenant_);
  for (size_t i = 0; i < storage::kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    if (table == Table::log || table == Table::audit) continue;
    set.remove_range({table, Month(0), tenant_}, prefix, prefix.after_prefix());
  }
  for (const auto& [month, dedicated] : months_) {
    const std::vector<TenantId> own = dedicated ? std::vector{tenant_} : std::vector<TenantId>();
    if (!to->make_month(month, own, error)) return false;
    set.remove_range({Table::log, month, tenant_}, prefix, prefix.after_prefix());
  }
  return to->commit(error);
}

bool TenantCopy::put(NewData* to, const Place& place, std::string_view key, std::string_view value,
                     std::string* error) {
  to->set().put(place, Key(key), std::string(value));
  ++restored_->rows;
  restored_->bytes += key.size() + value.size();
  return to->set().bytes() < kSetBytes || to->commit(error);
}

bool TenantCopy::copy(NewData* to, const Place& place, const Key& from, const Key& end,
                      std::string* error) {
  return from_.each(place, from, end, error, [&](std::string_view key, std::string_view value) {
    return put(to, place, key, value, error);
  });
}

bool TenantCopy::copy_tables(NewData* to, std::string* error) {
  const Key prefix = storage::tenant_prefix(tenant_);
  const Key end = prefix.after_prefix();
  for (const auto& [month, dedicated] : months_) {
    if (!copy(to, {Table::log, month, tenant_}, prefix, end, error)) return false;
  }
  for (size_t i = 0; i < storage::kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    if (table == Table::log || table == Table::audit || table == Table::state) continue;
    if (!copy(to, {table, Month(0), tenant_}, prefix, end, error)) return false;
  }
  // Of the state all but the catalog.
  const Place state = storage::state_place(tenant_);
  const Key catalog = storage::state_prefix(tenant_, storage::StateKind::catalog);
  return copy(to, state, prefix, catalog, error) &&
         copy(to, state, catalog.after_prefix(), end, error);
}

// The trail only grows: a shard's chain is the longer one, whoever has it.
bool TenantCopy::copy_audit(NewData* to, std::string* error) {
  for (const auto& [shard, head] : taken_heads_) {
    const Key prefix = storage::audit_prefix(tenant_, shard);
    const Place place{Table::audit, Month(0), tenant_};
    if (!copy(to, place, prefix, prefix.after_prefix(), error)) return false;
    to->set().put(kNodeState, storage::audit_head_key(shard, tenant_), head.encode());
  }
  return true;
}

// In the tenant's own trail, by whoever may write into the data directory.
void TenantCopy::note(NewData* to) {
  records::AuditEntry entry;
  entry.set_at_us(int64_t{std::time(nullptr)} * kMicrosPerSecond);
  entry.set_actor("command line");
  entry.set_action(std::string(core::to_string(core::AuditAction::tenant_restored)));
  entry.set_object("tenant " + wanted_.tenant);
  entry.set_reason(wanted_.reason);
  auto* from = entry.add_changes();
  from->set_field("backup");
  from->set_after(std::to_string(restored_->backup.id) + " of " +
                  format_time_us(restored_->backup.time_s * kMicrosPerSecond));
  auto* rows = entry.add_changes();
  rows->set_field("rows");
  rows->set_after(std::to_string(restored_->rows));
  const auto taken = taken_heads_.find(kMetaShard);
  storage::AuditHead head = taken != taken_heads_.end() ? taken->second : kept_heads_[kMetaShard];
  const std::string bytes = entry.SerializeAsString();
  const Key key = storage::audit_key(tenant_, kMetaShard, ++head.last);
  head.hash = storage::audit_hash(head.hash, key, bytes);
  to->set().put({Table::audit, Month(0), tenant_}, key,
                storage::encode_audit_row(head.hash, bytes));
  to->set().put(kNodeState, storage::audit_head_key(kMetaShard, tenant_), head.encode());
}

// One set: with it the tenant is there.
bool TenantCopy::finish(NewData* to, std::string* error) {
  if (!to->set().empty() && !to->commit(error)) return false;
  const Key catalog = storage::state_prefix(tenant_, storage::StateKind::catalog);
  const bool read =
      from_.each(storage::state_place(tenant_), catalog, catalog.after_prefix(), error,
                 [&](std::string_view key, std::string_view value) {
                   to->set().put(storage::state_place(tenant_), Key(key), std::string(value));
                   ++restored_->rows;
                   restored_->bytes += key.size() + value.size();
                   return true;
                 });
  if (!read) return false;
  to->set().put(kNodeState, storage::catalog_key(kNodeTenant, core::kTenantEntity, tenant_.value()),
                record_);
  for (const auto& [kind, next] : id_blocks_) {
    to->set().put(kNodeState, storage::id_block_key(kind), next);
  }
  note(to);
  return to->commit(error);
}

bool TenantCopy::run(NewData* to, std::string* error) {
  return remove(to, error) && copy_tables(to, error) && copy_audit(to, error) && finish(to, error);
}

uint32_t shards_of(const std::string& identity) {
  const size_t at = identity.find("shards ");
  return at == std::string::npos ? 0 : static_cast<uint32_t>(std::atoi(identity.c_str() + at + 7));
}

// Between the backup, made a data directory of its own for the while, and the real one.
bool copy_tenant(const TenantRestore& wanted, const std::string& scratch, TenantRestored* restored,
                 std::string* error) {
  const std::string identity = text_of_file(scratch + "/IDENTITY");
  if (identity != text_of_file(wanted.data + "/IDENTITY")) {
    *error = wanted.data + " is of another cluster than the backup, or none: a tenant comes back " +
             "where it was; restore the whole backup into a new directory instead";
    return false;
  }
  const auto from = OldData::open(scratch, error);
  if (from == nullptr) return false;
  auto tenant = from->tenant(wanted.tenant, error);
  if (!tenant) {
    if (error->empty()) {
      *error = "backup " + std::to_string(restored->backup.id) + " has no tenant '" +
               wanted.tenant + "'";
    }
    return false;
  }
  TenantCopy copy(wanted, *from, tenant->first, std::move(tenant->second), restored);
  {
    const auto to = OldData::open(wanted.data, error);
    if (to == nullptr || !copy.look(*to, shards_of(identity), error)) return false;
  }
  NewData to;
  return to.open(wanted.data, error) && copy.run(&to, error);
}

}  // namespace

bool restore_tenant(const TenantRestore& wanted, TenantRestored* restored, std::string* error) {
  const std::string scratch = wanted.data + "/restore-scratch";
  std::error_code code;
  if (!fs::is_directory(wanted.data + "/db", code)) {
    *error = wanted.data + " is no data directory: a tenant is restored into one that has others";
    return false;
  }
  if (OldData::open(wanted.data, error) == nullptr) return false;  // served by a broker, say
  fs::remove_all(scratch, code);                                   // of one that was cut off
  storage::Restored whole;
  bool done = storage::restore_backup(wanted.from, wanted.id, scratch, &whole, error);
  restored->backup = whole.backup;
  done = done && copy_tenant(wanted, scratch, restored, error);
  fs::remove_all(scratch, code);
  return done;
}

}  // namespace headrace::broker

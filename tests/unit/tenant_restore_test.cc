// One tenant out of a backup, row by row: what it had comes back, nobody else's rows change.
#include "broker/tenant_restore.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "broker/core/catalog.h"
#include "broker/core/catalog_rows.h"
#include "broker/identity.h"
#include "records.pb.h"
#include "storage/audit_chain.h"
#include "storage/month.h"
#include "storage/rocks/read_only.h"
#include "tests/support/rocks_harness.h"

namespace headrace::broker {
namespace {

using storage::Key;
using storage::Place;
using storage::Table;

constexpr Month kSummer{202607};
constexpr TenantId kOwn{7};
constexpr TenantId kOther{8};
constexpr Place kNode{Table::state, Month(0), kNodeTenant};

class TenantRestoreRows : public testing::Test {
 protected:
  using Rows = std::map<std::string, std::string>;

  TenantRestoreRows() {
    options_ = test::small_rocks_options(scratch_.path() + "/data");
    open();
    std::string error;
    EXPECT_TRUE(load_identity(options_.data_dir, 4, &identity_, &error)) << error;
    EXPECT_EQ(test::create_month(*store_, sink_, kSummer, {kOwn}), storage::Status::ok);
    storage::WriteSet set;
    set.put(kNode, storage::id_block_key(core::kTopicEntity), std::string("\0\0\0\0\0\0\0\x09", 8));
    for (const TenantId tenant : {kOwn, kOther}) fill(tenant, "before", &set);
    commit(std::move(set));
    back_up();
  }

  void open() {
    store_ = test::open_store(options_);
    storage::BackupOptions backups;
    backups.dir = scratch_.path() + "/backups";
    backups.identity = identity_text(identity_);
    store_->keep_backups(backups);
  }

  void back_up() {
    store_.reset();
    open();  // with the identity
    ASSERT_TRUE(store_->backups().start());
    while (store_->backups().state().running) std::this_thread::yield();
    ASSERT_EQ(store_->backups().state().last_error, "");
  }

  void commit(storage::WriteSet set) {
    set.shard = kMetaShard;
    set.sequence = ++sequence_;
    set.durability = Durability::durable;
    ASSERT_EQ(test::commit(*store_, sink_, std::move(set)), storage::Status::ok);
  }

  // A row in every table, more of the log than fits a set, two entries of the trail.
  void fill(TenantId tenant, const std::string& value, storage::WriteSet* set) {
    core::Tenant record;
    record.name = tenant == kOwn ? "acme" : "other";
    set->put(kNode, storage::catalog_key(kNodeTenant, core::kTenantEntity, tenant.value()),
             encode(record));
    const PartitionKey partition{tenant, TopicId(3), SliceId(0), PartitionId(0)};
    for (size_t i = 1; i < storage::kTableCount; ++i) {
      const auto table = static_cast<Table>(i);
      if (table == Table::audit) continue;
      set->put({table, Month(0), tenant}, Key(storage::log_start_key(partition)), value);
    }
    set->put(storage::state_place(tenant), storage::catalog_key(tenant, core::kTopicEntity, 3),
             "topic " + value);
    for (int64_t offset = 0; offset < 6; ++offset) {
      set->put({Table::log, kSummer, tenant},
               storage::log_key(storage::LogKind::batch, partition, Offset(offset)),
               value + std::string(1u << 20, 'x'));
    }
    note(tenant, value, set);
    note(tenant, value, set);
  }

  void note(TenantId tenant, const std::string& what, storage::WriteSet* set) {
    storage::AuditHead& head = heads_[tenant];
    const Key key = storage::audit_key(tenant, kMetaShard, ++head.last);
    records::AuditEntry entry;
    entry.set_object(what);
    head.hash = storage::audit_hash(head.hash, key, entry.SerializeAsString());
    set->put({Table::audit, Month(0), tenant}, key,
             storage::encode_audit_row(head.hash, entry.SerializeAsString()));
    set->put(kNode, storage::audit_head_key(kMetaShard, tenant), head.encode());
  }

  // Of one tenant, but for its trail; nobody has the directory open.
  Rows rows(TenantId tenant, Table except = Table::audit) {
    std::string error;
    const auto data = storage::ReadOnlyStore::open(options_.data_dir, &error);
    EXPECT_NE(data, nullptr) << error;
    Rows found;
    const Key prefix = storage::tenant_prefix(tenant);
    for (size_t i = 0; i < storage::kTableCount; ++i) {
      const auto table = static_cast<Table>(i);
      if (table == except) continue;
      const auto at = data->scan({table, kSummer, tenant}, prefix, prefix.after_prefix());
      for (; at->valid(); at->next()) {
        found[std::to_string(i) + storage::to_text(table, at->key())] = at->value();
      }
    }
    return found;
  }

  std::string restore(bool replace = false, const std::string& tenant = "acme") {
    store_.reset();
    TenantRestored restored;
    std::string error;
    const TenantRestore wanted{
        scratch_.path() + "/backups", 0, options_.data_dir, tenant, replace, "a test"};
    const bool done = restore_tenant(wanted, &restored, &error);
    EXPECT_EQ(done, error.empty()) << error;
    if (error.empty()) {
      EXPECT_EQ(restored.backup.id, 1u);
      EXPECT_GT(restored.rows, 10u);
      EXPECT_GT(restored.bytes, 6u << 20);
    }
    return error;
  }

  // The chain of the trail from its first entry; how many there are, and the last one.
  uint64_t audited(TenantId tenant, records::AuditEntry* last) {
    std::string error;
    const auto data = storage::ReadOnlyStore::open(options_.data_dir, &error);
    const Key prefix = storage::audit_prefix(tenant, kMetaShard);
    const auto at = data->scan({Table::audit, Month(0), tenant}, prefix, prefix.after_prefix());
    Sha256 hash{};
    uint64_t entries = 0;
    for (; at->valid(); at->next(), ++entries) {
      const auto row = storage::decode_audit_row(at->value());
      hash = storage::audit_hash(hash, Key(at->key()), row->entry);
      EXPECT_EQ(hash, row->hash) << entries;
      EXPECT_TRUE(last->ParseFromString(std::string(row->entry)));
    }
    const Key key = storage::audit_head_key(kMetaShard, tenant);
    const auto head_row = data->scan(kNode, key, key.after_prefix());
    const auto head = storage::AuditHead::decode(head_row->value());
    EXPECT_TRUE(head && head->last == entries && head->hash == hash);
    return entries;
  }

  test::TemporaryDirectory scratch_;
  test::TestSink sink_;
  storage::RocksOptions options_;
  Identity identity_;
  uint64_t sequence_ = 0;
  std::map<TenantId, storage::AuditHead> heads_;
  std::unique_ptr<storage::RocksStore> store_;
};

TEST_F(TenantRestoreRows, WhatItHadComesBackAndNothingElseChanges) {
  store_.reset();
  const Rows before = rows(kOwn);
  EXPECT_EQ(before.size(), 14u);
  open();
  storage::WriteSet set;
  fill(kOwn, "after", &set);
  fill(kOther, "after", &set);
  set.put({Table::dlq, Month(0), kOwn}, Key(storage::tenant_prefix(kOwn)), "new");
  commit(std::move(set));
  store_.reset();
  const Rows other = rows(kOther, Table::log);
  EXPECT_NE(restore(), "") << "it exists";
  EXPECT_NE(rows(kOwn), before);
  EXPECT_EQ(restore(true), "");
  EXPECT_EQ(rows(kOwn), before);
  EXPECT_EQ(rows(kOther, Table::log), other);
  records::AuditEntry last;
  EXPECT_EQ(audited(kOwn, &last), 5u) << "what came after the backup stays in the trail";
  EXPECT_EQ(last.action(), "tenant.restored");
  EXPECT_EQ(last.reason(), "a test");
  EXPECT_EQ(audited(kOther, &last), 4u);
}

TEST_F(TenantRestoreRows, OneThatIsGoneIsThereAgain) {
  storage::WriteSet set;
  set.remove(kNode, storage::catalog_key(kNodeTenant, core::kTenantEntity, kOwn.value()));
  for (size_t i = 1; i < storage::kTableCount; ++i) {
    const Key prefix = storage::tenant_prefix(kOwn);
    set.remove_range({static_cast<Table>(i), Month(0), kOwn}, prefix, prefix.after_prefix());
  }
  set.remove(kNode, storage::audit_head_key(kMetaShard, kOwn));
  set.put(kNode, storage::id_block_key(core::kTopicEntity), std::string(8, '\0'));
  commit(std::move(set));
  EXPECT_EQ(restore(), "");
  EXPECT_EQ(rows(kOwn).size(), 14u);
  records::AuditEntry last;
  EXPECT_EQ(audited(kOwn, &last), 3u) << "the backup's, and this";
  open();
  EXPECT_EQ(test::read(*store_, sink_, kNode, storage::id_block_key(core::kTopicEntity)).value[7],
            9);
}

TEST_F(TenantRestoreRows, WhatCannotBeIsRefused) {
  EXPECT_NE(restore(false, "nobody").find("has no tenant 'nobody'"), std::string::npos);
  open();
  storage::WriteSet set;
  core::Tenant record;
  record.name = "acme";
  set.remove(kNode, storage::catalog_key(kNodeTenant, core::kTenantEntity, kOwn.value()));
  set.put(kNode, storage::catalog_key(kNodeTenant, core::kTenantEntity, 99), encode(record));
  commit(std::move(set));
  EXPECT_NE(restore(true).find("another tenant is called 'acme'"), std::string::npos);
  options_.data_dir = scratch_.path() + "/elsewhere";
  identity_ = {};
  sequence_ = 0;
  open();
  std::string error;
  ASSERT_TRUE(load_identity(options_.data_dir, 4, &identity_, &error)) << error;
  EXPECT_NE(restore().find("another cluster"), std::string::npos);
  options_.data_dir = scratch_.path() + "/nowhere";
  EXPECT_NE(restore().find("is no data directory"), std::string::npos);
}

}  // namespace
}  // namespace headrace::broker

// The owner of the catalog: loads it, changes it by WriteSets, publishes snapshots. Deleting is
// two-step with a visible state (deleting → data removed by the owner shard → gone) and is resumed
// after a restart.
//
// Lives on: the meta shard. A snapshot is published only when its change is durable; changes made
// and not yet durable are in `staged_` and already count for uniqueness.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/ctx.h"
#include "broker/limits.h"
#include "storage/fair_bound.h"

namespace headrace::core {

struct CheckEvent;
struct CreateGroup;
struct CreateKey;
struct CreatePrincipal;
struct CreateTenant;
struct DeletePrincipal;
struct DeleteSchema;
struct DeleteTenant;
struct DiffSchemas;
struct ListKeys;
struct RegisterSchema;
struct RevokeKey;
struct SetPassword;
struct UpdateSchemaType;
struct SetQuotas;
struct SetTenantState;
struct UpdateGroup;
struct UpdatePrincipal;

class CatalogStore final : public Committable, public std::enable_shared_from_this<CatalogStore> {
 public:
  explicit CatalogStore(Ctx* ctx, uint32_t shards) : ctx_(ctx), shards_(shards) {}

  void load();                      // first start: makes tenant and topic `default`
  void handle(RequestPtr request);  // waits while loading (bounded, then loading)

  void on_committed(Ctx& ctx, uint64_t sequence) override;
  void on_reply(RequestPtr request);  // purge_topic, purge_group have been answered
  void drop(const Error& error);      // the shard drops its objects

 private:
  enum class State : uint8_t { loading, ready, failed };
  struct LoadIds;
  struct LoadTenants;
  struct LoadEntities;

  void load_tenants();
  void tenants_loaded(const std::vector<storage::Scan::Row>& rows);
  void entities_loaded(TenantId tenant, const std::vector<storage::Scan::Row>& rows);
  void load_next_tenant();
  void become_ready();
  void fail(storage::Status status);
  void bootstrap();

  void create_topic(std::unique_ptr<CreateTopic> request);
  void delete_topic(std::unique_ptr<DeleteTopic> request);
  void ensure_group(std::unique_ptr<EnsureGroup> request);
  void create_group(std::unique_ptr<CreateGroup> request);
  void update_group(std::unique_ptr<UpdateGroup> request);
  Error add_group(const TenantContext& who, const TopicPtr& asked, GroupRecord record,
                  GroupPtr* made);
  void delete_group(std::unique_ptr<DeleteGroup> request);
  void init_producer(std::unique_ptr<InitProducer> request);

  // catalog_tenants.cc
  void create_tenant(std::unique_ptr<CreateTenant> request);
  void set_tenant_state(std::unique_ptr<SetTenantState> request);
  void delete_tenant(std::unique_ptr<DeleteTenant> request);
  void set_quotas(std::unique_ptr<SetQuotas> request);
  Error check_count(TenantId tenant, Quota quota, size_t count) const;
  void put_tenant(const TenantPtr& tenant);
  void delete_topics_of(TenantId tenant);
  void finish_tenant(TenantId tenant);  // if nothing of it is left but its own rows

  // catalog_principals.cc
  void create_principal(std::unique_ptr<CreatePrincipal> request);
  void update_principal(std::unique_ptr<UpdatePrincipal> request);
  void delete_principal(std::unique_ptr<DeletePrincipal> request);
  // catalog_passwords.cc
  struct PasswordJob;
  void set_password(std::unique_ptr<SetPassword> request);
  void finish_password(std::unique_ptr<SetPassword> request, std::optional<Password> password);
  // catalog_principals.cc
  void create_key(std::unique_ptr<CreateKey> request);
  void revoke_key(std::unique_ptr<RevokeKey> request);
  void list_keys(std::unique_ptr<ListKeys> request);
  // Whether `who` holds all that the principal holds.
  static Error check_covers(const TenantContext& who, const Principal& principal);
  void note_key_use(RequestPtr request);
  void note_action(RequestPtr request);
  void put_principal(const PrincipalPtr& principal);
  void remove_principal(const Principal& principal);
  Error check_subjects(const std::vector<std::string>& subjects, const Principal* of) const;

  // catalog_schemas.cc
  void handle_schemas(RequestPtr request);
  struct SchemaJob;
  void register_schema(std::unique_ptr<RegisterSchema> request);
  void finish_registration(std::unique_ptr<RegisterSchema> request, const SchemaTypePtr& base);
  void update_schema_type(std::unique_ptr<UpdateSchemaType> request);
  void delete_schema(std::unique_ptr<DeleteSchema> request);
  void diff_schemas(std::unique_ptr<DiffSchemas> request);
  void check_event(std::unique_ptr<CheckEvent> request);
  void ask_worker(RequestPtr request, SchemaTypePtr base, SchemaVersionPtr older,
                  SchemaVersionPtr newer);
  Error check_registration(const RegisterSchema& request) const;
  void change_schema_type(const TenantContext& who, const SchemaType& type,
                          std::optional<Validation> mode,
                          std::optional<schema::Compatibility> compatibility);
  void put_schema_type(const SchemaTypePtr& type);
  void remove_schema_type(const SchemaType& type);
  uint32_t remove_schemas_of(TenantId tenant);  // how many types
  bool load_schema_type(TenantId tenant, uint32_t id, std::string_view row);
  bool load_schema_version(uint32_t id, std::string_view row);
  bool schemas_loaded();  // false: a type has no version

  int64_t take_ids(uint8_t id_kind, int64_t count);  // never reused: the row goes with the set
  void put_topic(const TopicPtr& topic);
  void remove_topic(const Topic& topic);
  void put_group(const GroupPtr& group);
  void remove_group(const GroupRecord& group);
  void purge(const TopicPtr& topic);
  void purge(const GroupPtr& group, const TopicPtr& topic);
  template <class Matches>
  void finish_deletes(const Error& error, Matches&& matches);
  uint64_t newest_change() const;  // sequence of the newest staged set, 0 when all is durable
  CatalogSnapshot& stage();        // the newest state, to be changed; published when durable

  Ctx* const ctx_;
  const uint32_t shards_;
  State state_ = State::loading;
  std::vector<RequestPtr> waiting_;
  std::deque<TenantId> to_load_;
  std::shared_ptr<CatalogSnapshot> newest_ = std::make_shared<CatalogSnapshot>();
  struct Staged {
    uint64_t sequence;
    std::shared_ptr<CatalogSnapshot> snapshot;
  };
  std::deque<Staged> staged_;
  std::map<uint8_t, int64_t> ids_;  // id kind → next unallocated
  struct Purge {
    uint64_t after_sequence;  // sent when this set is durable
    RequestPtr request;
  };
  std::deque<Purge> purges_;
  struct QuotaChange {
    uint64_t after_sequence;  // in use when this set is durable
    Quotas before;
    TenantPtr changed;
  };
  std::deque<QuotaChange> quota_changes_;
  std::vector<RequestPtr> deleting_;  // delete requests whose data is being removed
  struct Receipt {
    uint32_t topics = 0;
    uint32_t groups = 0;
    int64_t events = 0;
    int64_t bytes = 0;
  };
  std::map<TenantId, Receipt> receipts_;  // of tenants that are being deleted, since the last load
  FairBound schema_jobs_{limits::kSchemaJobs};                    // at the workers
  size_t password_jobs_ = 0;                                      // likewise
  std::map<uint32_t, std::shared_ptr<SchemaType>> loaded_types_;  // while loading
  int64_t next_producer_ = 0;
  int64_t producer_block_end_ = 0;
  uint64_t producer_block_sequence_ = 0;
};

}  // namespace headrace::core

// Requests of the core: what sessions, the admin side and the broker itself may ask of a shard. A
// request is one object: it travels to the reactor that owns the shard, is answered by filling its
// out fields, and travels back to its requester. Nobody waits for anything.
//
// Ownership: moved along (RequestPtr). In fields are set by the requester, out fields by the owner.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/access.h"
#include "broker/core/catalog.h"
#include "broker/core/delayed_event.h"
#include "broker/core/error.h"
#include "broker/core/event_ids.h"
#include "broker/core/group_options.h"
#include "metrics/shared_bytes.h"
#include "metrics/time.h"
#include "storage/batch.h"
#include "storage/types.h"
#include "storage/violations.h"

namespace headrace::core {

class Filter;
using FilterPtr = std::shared_ptr<const Filter>;

struct Request;
using RequestPtr = std::unique_ptr<Request>;

// Who asked. Lives as long as the reactor (or the admin server), not as long as a connection.
class Requester {
 public:
  virtual ~Requester() = default;
  // On the home reactor; for a foreign requester (admin) on the reactor that answered.
  virtual void on_reply(RequestPtr request) = 0;
};

constexpr uint32_t kNoHome = UINT32_MAX;

struct Request {
  enum class Kind : uint8_t {
    publish_batch,
    publish_events,
    fetch,
    list_offsets,
    find_events,
    describe_topic,
    join_group,
    heartbeat,
    leave_group,
    commit_offsets,
    describe_group,
    create_topic,
    delete_topic,
    ensure_group,
    delete_group,
    init_producer,
    create_tenant,
    set_tenant_state,
    delete_tenant,
    set_quotas,
    create_principal,
    update_principal,
    delete_principal,
    set_password,
    create_key,
    revoke_key,
    list_keys,
    note_key_use,
    note_action,
    register_schema,
    update_schema_type,
    delete_schema,
    diff_schemas,
    check_event,
    purge_topic,
    purge_group,
    shard_stats,
    create_group,
    update_group,
    attach_member,
    detach_member,
    acquire,
    settle,
    set_group_state,
    list_dead_letters,
    delete_dead_letters,
    cancel_delayed,
    list_delayed,
    start_job,
    list_jobs,
    control_job,
    explain_event,
    read_audit,
    list_types,
    search_group,
    drop_month,
    begin_import,
    import_batches,
  };

  Request(Kind request_kind, TenantContext context) : kind(request_kind), tenant(context) {}
  virtual ~Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  const Kind kind;
  TenantContext tenant;
  ShardId shard;  // who answers
  Requester* requester = nullptr;
  uint32_t home = kNoHome;  // reactor of the requester; set by the reactor
  bool foreign = false;     // asked from a thread that is no reactor (admin)
  uint64_t origin = 0;      // the requester's own: which connection
  uint32_t ticket = 0;      // the requester's own: which of its questions
  int64_t received_mono_us = 0;
  bool waited = false;  // the owner's own: it has waited for a load already
  Error error;          // out
};

template <Request::Kind K>
struct RequestOf : Request {
  static constexpr Kind kKind = K;
  explicit RequestOf(TenantContext context) : Request(K, context) {}
};

// The typed request behind a pointer; checks the kind.
template <class T>
T& as(Request& request) {
  HR_CHECK(request.kind == T::kKind);
  return static_cast<T&>(request);
}

// ---- publish

// Of an event that is stored and kept from handlers: what is wrong, for a person.
constexpr std::string_view kViolatesSchema = "the event does not match its type's schema";
// Empty: the record has none.
inline std::string violation_text(const storage::ViolationsPtr& violations, uint32_t record) {
  const auto* violation = violations == nullptr ? nullptr : violations->find(record);
  if (violation == nullptr) return {};
  return violation->text.empty() ? std::string(kViolatesSchema) : violation->text;
}

struct PublishBatch final : RequestOf<Request::Kind::publish_batch> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  SharedBytes batch;  // checked by the session; the only reference, so it can be patched
  storage::BatchHeader header;
  storage::Summary summary;
  Durability durability = Durability::durable;
  std::vector<EventId> ids;  // topics with dedup only; views into `batch` or `inflated`
  std::string inflated;
  bool validated = false;  // the owner's own: nothing more is to be done before it is appended
  storage::Violations violations;  // likewise
  // out
  Offset base_offset;
  int64_t append_time_us = 0;
  Epoch epoch;  // in the stored batch: part of computed event ids
  bool duplicate = false;
  uint64_t original_sequence = 0;  // all of it is repeated: the set of the original
};

// Events of one publish. Views point into `message` and `payload`.
struct PublishEvents final : RequestOf<Request::Kind::publish_events> {
  using RequestOf::RequestOf;
  struct Item {
    PartitionId partition;
    storage::EventFields fields;
    std::vector<storage::HeaderField> headers;
    Error error;             // in: refused by the session already; out
    std::string violation;   // the owner's own: why it is kept from handlers; empty: it is not
    Offset offset{-1};       // out
    bool duplicate = false;  // out
    int64_t due_us = 0;      // out: not in the log before this time; its offset is -1
    std::string id;          // out, of a delayed event: its own or the one it was given
  };
  TopicPtr topic;
  std::vector<Item> items;
  int64_t due_us = 0;  // wall clock: all of them wait for it; 0 or past: stored at once
  std::shared_ptr<const void> message;  // keeps what the views point to
  SharedBytes payload;
  bool atomic = false;
  Durability durability = Durability::durable;
  ProducerId producer = kNoProducer;
  int16_t producer_epoch = -1;
  int32_t sequence = -1;
  bool validated = false;  // the owner's own, as of a batch
  // out
  int64_t append_time_us = 0;
  Epoch epoch;                     // in the stored batches: part of computed event ids
  uint64_t original_sequence = 0;  // all are duplicates of what this set holds
};

// Takes back what is not due yet: every event of the topic that waits under this id.
struct CancelDelayed final : RequestOf<Request::Kind::cancel_delayed> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  std::string id;
  uint32_t cancelled = 0;  // out
};

// What waits, partition by partition, by due time.
struct ListDelayed final : RequestOf<Request::Kind::list_delayed> {
  using RequestOf::RequestOf;
  struct Row {
    PartitionId partition;
    DelayedOrder order;
    std::string id;
    std::string type;
    std::string key;
    bool has_key = false;
    int64_t accepted_us = 0;
    size_t value_size = 0;
  };
  TopicPtr topic;
  PartitionId after_partition;  // with `after`: goes on behind this one
  DelayedOrder after;           // due below 0: from the first
  uint32_t page_size = 50;
  // out
  std::vector<Row> rows;
  bool more = false;
};

struct InitProducer final : RequestOf<Request::Kind::init_producer> {
  using RequestOf::RequestOf;
  ProducerId producer;         // out
  int16_t producer_epoch = 0;  // out
};

// ---- read

struct StoredBatch {
  SharedBytes bytes;  // record batch v2, without the envelope
  int64_t append_time_us = 0;
  storage::ViolationsPtr violations = nullptr;  // nullptr: all its events may be delivered
};

struct Fetch final : RequestOf<Request::Kind::fetch> {
  using RequestOf::RequestOf;
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  TopicPtr topic;
  PartitionId partition;
  Offset offset;
  uint32_t max_bytes = 0;
  uint32_t min_bytes = 1;
  int64_t deadline_mono_us = 0;  // answered empty at this time
  uint32_t priority = 0;         // of those that wait for the same events the highest goes first
  // Of the topic's Matcher: it waits on while nothing comes whose type the slot's group wants.
  uint32_t slot = kNoSlot;
  // An event must match both (null: any does): what is read from the store leaves out chunks in
  // which none can.
  std::array<FilterPtr, 2> filters;
  // out
  Offset skipped_to{-1};  // so far nothing matches; the batches begin there, if there are any
  std::vector<StoredBatch> batches;
  Offset visible_end;
  Offset log_start;
};

struct ListOffsets final : RequestOf<Request::Kind::list_offsets> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  Position at;
  // out
  Offset offset;
  int64_t append_time_us = 0;
};

struct MonthStats {
  Month month;
  Offset first_offset;
  int64_t bytes = 0;
  int64_t events = 0;
};
struct PartitionStats {
  PartitionId partition;
  Offset log_start;
  Offset visible_end;
  int64_t bytes = 0;
  int64_t first_append_us = 0;
  int64_t last_append_us = 0;
  int64_t delayed = 0;  // events that are not due yet
  std::vector<MonthStats> months;
};
struct DescribeTopic final : RequestOf<Request::Kind::describe_topic> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  std::vector<PartitionStats> partitions;  // out
};

// ---- positional groups

struct AssignedPartition {
  PartitionId partition;
  Offset committed{-1};
};
struct JoinGroup final : RequestOf<Request::Kind::join_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::string member;  // in: to rejoin; out: the name given
  std::string client;
  int64_t session_timeout_us = 0;
  // out
  Epoch epoch;
  uint32_t generation = 0;
  std::vector<AssignedPartition> assigned;
};
struct Heartbeat final : RequestOf<Request::Kind::heartbeat> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::string member;
  uint32_t generation = 0;  // in: adopted by the member; out: current
  // out
  Epoch epoch;
  std::vector<AssignedPartition> assigned;
};
struct LeaveGroup final : RequestOf<Request::Kind::leave_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::string member;
};
struct CommitOffsets final : RequestOf<Request::Kind::commit_offsets> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::string member;  // empty: no membership, no generation check
  Epoch epoch;
  uint32_t generation = 0;
  std::vector<std::pair<PartitionId, Offset>> offsets;
};
struct GroupMemberStats {
  std::string member;
  std::string client;
  std::vector<PartitionId> partitions;
};
struct GroupPartitionStats {
  PartitionId partition;
  Offset committed{-1};
  Offset visible_end;
  int64_t lag_events = 0;
  double lag_seconds = 0;
  // Acked groups: where the log is read next, and what below it is neither acked nor dead.
  Offset next{-1};
  int64_t outstanding = 0;
  int64_t settled_ahead = 0;  // of acked groups: done, at or above `next`
};
// Of an acked group. The first four are durable, quarantined and probing by health (H4 of
// docs/delivery.md), disabled by hand; degraded, failing and blocked follow from the counts.
enum class GroupState : uint8_t {
  healthy = 0,
  degraded = 1,
  failing = 2,
  quarantined = 3,
  probing = 4,
  disabled = 5,
  blocked = 6,
};
std::string_view to_string(GroupState state);

// How full the dead letters are: from 80 %, from 95 % of the quota, full.
enum class DlqLevel : uint8_t { ok = 0, warning = 1, critical = 2, full = 3 };
std::string_view to_string(DlqLevel level);

// What only acked groups have.
struct AckedStats {
  GroupState state = GroupState::healthy;
  std::string reason;  // of the state, if it has one
  int64_t cooldown_ends_us = 0;
  int64_t in_flight = 0;
  int64_t retry = 0;  // parked for their next attempt, blocked ones included
  int64_t dead_letters = 0;
  int64_t dead_letter_bytes = 0;
  DlqLevel dlq_level = DlqLevel::ok;
  double dlq_hours_until_full = -1;  // at the recent rate; -1: not at that rate
  int64_t blocked = 0;               // out of attempts, and the dead letters are full
  int64_t dropped = 0;               // dead letters that went for newer ones, ever
  int64_t skipped = 0;  // events that retention removed before they were delivered, ever
  uint32_t consecutive_failures = 0;
  int64_t delivered = 0;  // since the group was loaded
  int64_t released = 0;   // likewise
  int64_t acked = 0;      // events, ever
  int64_t failed = 0;     // attempts, ever
  int64_t dead = 0;       // events, ever
  int64_t last_success_us = 0;
  int64_t last_failure_us = 0;
  std::string last_error;
  double failure_rate = 0;  // of the attempts since the group was loaded, recent ones weigh more
  int64_t handler_p50_us = 0;
  int64_t handler_p95_us = 0;
};
struct GroupStats {
  GroupPtr group;
  TopicPtr topic;
  uint32_t generation = 0;
  std::vector<GroupMemberStats> members;
  std::vector<GroupPartitionStats> partitions;
  int64_t lag_events = 0;
  double lag_seconds = 0;
  std::optional<AckedStats> acked;
};
struct DescribeGroup final : RequestOf<Request::Kind::describe_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  GroupStats stats;  // out
};

// ---- catalog (meta shard)

struct CreateTopic final : RequestOf<Request::Kind::create_topic> {
  using RequestOf::RequestOf;
  std::string name;
  uint32_t partitions = 1;
  Retention retention;
  Dedup dedup;
  bool if_missing = false;
  bool system = false;  // the broker's own: any name, and if it is there it may be as it is
  // out
  TopicPtr topic;
  bool created = false;
};
struct DeleteTopic final : RequestOf<Request::Kind::delete_topic> {
  using RequestOf::RequestOf;
  std::string name;
  TopicId id;  // out
};
struct EnsureGroup final : RequestOf<Request::Kind::ensure_group> {
  using RequestOf::RequestOf;
  std::string name;
  TopicPtr topic;
  GroupPtr group;  // out
};
struct DeleteGroup final : RequestOf<Request::Kind::delete_group> {
  using RequestOf::RequestOf;
  std::string name;
};

// ---- the broker's own: from the meta shard to the owner, and for statistics

struct PurgeTopic final : RequestOf<Request::Kind::purge_topic> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  // out: what was there
  int64_t events = 0;
  int64_t bytes = 0;
};
struct PurgeGroup final : RequestOf<Request::Kind::purge_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  bool only_if_empty = false;  // group_not_empty while it has members
};
// Of the context's tenant; the node's own tenant: of all.
struct ShardStats final : RequestOf<Request::Kind::shard_stats> {
  using RequestOf::RequestOf;
  bool only_catalog = false;
  struct TopicRow {
    TopicPtr topic;
    PartitionStats partition;
  };
  struct ValidationRow {  // since the shard was loaded
    TenantId tenant;
    std::string type;
    uint64_t validated = 0;
    uint64_t violations = 0;
  };
  // out
  std::vector<TopicRow> partitions;
  std::vector<GroupStats> groups;
  std::vector<ValidationRow> validations;
  CatalogPtr catalog;  // as the answering reactor knows it
  int64_t now_us = 0;  // wall clock of its turn
};

}  // namespace headrace::core

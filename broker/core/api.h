// Requests of the core: what sessions, the admin side and the broker itself may ask of a shard. A
// request is one object: it travels to the reactor that owns the shard, is answered by filling its
// out fields, and travels back to its requester. Nobody waits for anything.
//
// Ownership: moved along (RequestPtr). In fields are set by the requester, out fields by the owner.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/access.h"
#include "broker/core/catalog.h"
#include "broker/core/error.h"
#include "metrics/shared_bytes.h"
#include "metrics/time.h"
#include "storage/batch.h"
#include "storage/types.h"

namespace headrace::core {

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
    purge_topic,
    purge_group,
    shard_stats,
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

struct PublishBatch final : RequestOf<Request::Kind::publish_batch> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  SharedBytes batch;  // checked by the session; the only reference, so it can be patched
  storage::BatchHeader header;
  storage::Summary summary;
  Durability durability = Durability::durable;
  // out
  Offset base_offset;
  int64_t append_time_us = 0;
  Epoch epoch;  // in the stored batch: part of computed event ids; 0: not known of a duplicate
  bool duplicate = false;
};

// Events of one publish. Views point into `message` and `payload`.
struct PublishEvents final : RequestOf<Request::Kind::publish_events> {
  using RequestOf::RequestOf;
  struct Item {
    PartitionId partition;
    storage::EventFields fields;
    std::vector<storage::HeaderField> headers;
    Error error;             // in: refused by the session already; out
    Offset offset{-1};       // out
    bool duplicate = false;  // out
  };
  TopicPtr topic;
  std::vector<Item> items;
  std::shared_ptr<const void> message;  // keeps what the views point to
  SharedBytes payload;
  bool atomic = false;
  Durability durability = Durability::durable;
  ProducerId producer = kNoProducer;
  int16_t producer_epoch = -1;
  int32_t sequence = -1;
  // out
  int64_t append_time_us = 0;
  Epoch epoch;                     // of the shard: part of computed event ids
  uint64_t original_sequence = 0;  // all are duplicates of what this set holds
};

struct InitProducer final : RequestOf<Request::Kind::init_producer> {
  using RequestOf::RequestOf;
  ProducerId producer;         // out
  int16_t producer_epoch = 0;  // out
};

// ---- read

struct Earliest {};
struct Latest {};
using AppendedAt =
    Id<struct AppendedAtTag, int64_t>;  // µs UTC: the first event appended at or after
using Position = std::variant<Earliest, Latest, Offset, AppendedAt>;

struct StoredBatch {
  SharedBytes bytes;  // record batch v2, without the envelope
  int64_t append_time_us = 0;
};

struct Fetch final : RequestOf<Request::Kind::fetch> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  Offset offset;
  uint32_t max_bytes = 0;
  uint32_t min_bytes = 1;
  int64_t deadline_mono_us = 0;  // answered empty at this time
  // out
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
};
struct GroupStats {
  GroupPtr group;
  TopicPtr topic;
  uint32_t generation = 0;
  std::vector<GroupMemberStats> members;
  std::vector<GroupPartitionStats> partitions;
  int64_t lag_events = 0;
  double lag_seconds = 0;
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
  bool if_missing = false;
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
};
struct PurgeGroup final : RequestOf<Request::Kind::purge_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  bool only_if_empty = false;  // group_not_empty while it has members
};
struct ShardStats final : RequestOf<Request::Kind::shard_stats> {
  using RequestOf::RequestOf;
  struct TopicRow {
    TopicPtr topic;
    PartitionStats partition;
  };
  // out
  std::vector<TopicRow> partitions;
  std::vector<GroupStats> groups;
  CatalogPtr catalog;  // as the answering reactor knows it
};

}  // namespace headrace::core

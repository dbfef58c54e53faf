// The objects of one shard and who answers what: partitions and groups by key, the catalog on the
// meta shard. Loads them when they are first asked for; requests wait for the load.
//
// Lives on: the shard's reactor. Dropped as a whole when a commit fails (crash-only).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/core/acked_groups.h"
#include "broker/core/api_months.h"
#include "broker/core/audit.h"
#include "broker/core/catalog_store.h"
#include "broker/core/ctx.h"
#include "broker/core/delayed_scans.h"
#include "broker/core/group.h"
#include "broker/core/partition.h"
#include "broker/core/publish_queue.h"
#include "broker/core/publish_validation.h"
#include "broker/core/rollups.h"
#include "broker/core/system_events.h"
#include "broker/core/turn_shares.h"
#include "broker/limits.h"
#include "json/redactor.h"
#include "storage/publishers_watch.h"

namespace headrace::core {

struct ShardOptions {
  uint32_t shards = 64;  // of the whole node
  int64_t retention_interval_us = 60 * kMicrosPerSecond;
  int64_t retention_max_pin_us = 0;                               // 0: one retention period
  int64_t system_events_delay_us = limits::kSystemEventsDelayUs;  // below 0: none are published
  int64_t rollup_interval_us = limits::kRollupWriteUs;            // below 0: none are written
  size_t set_bytes = limits::kSetBytes;  // of publishes; the rest goes into the next set
  size_t shared_set_bytes = limits::kSharedSetBytes;  // while several tenants publish
  // Of the whole node.
  std::shared_ptr<PublishersWatch> publishers = std::make_shared<PublishersWatch>();
  // Of the reactor, which makes it, and how many events of acked groups it hands out in a turn.
  int64_t turn_events = limits::kTurnEvents;
  std::shared_ptr<TurnShares> turns = std::make_shared<TurnShares>(turn_events);
  std::shared_ptr<const Redactor> redactor;  // of error texts; may be null
};

class ShardObjects {
 public:
  struct Load {  // of one publish
    int64_t events = 0;
    int64_t bytes = 0;
  };

  ShardObjects(ShardId id, Ctx* ctx, const ShardOptions& options);
  ~ShardObjects();

  Audit& audit() { return audit_; }  // loaded by the shard
  Rollups& rollups() { return rollups_; }
  void start();  // the shard is ready
  void handle(RequestPtr request);
  void on_reply(RequestPtr request);  // to something the objects asked another shard
  void seal();                        // the turn ends
  // The set was submitted: what waited for the next one goes into it. False: nothing did.
  bool begin_set();
  bool waits() const { return !queue_.empty(); }
  size_t sets_in_flight() const;                       // at most, as of now
  uint32_t set_weight() const { return set_weight_; }  // of those whose events the set holds
  void write_late();              // before a clean stop: what could have waited
  void drop(const Error& error);  // answers everything that waits
  // Opens the partitions here of tenants whose stored bytes are limited and not known yet.
  void count_stored();

  const std::unordered_map<PartitionKey, std::shared_ptr<Partition>>& partitions() const {
    return partitions_;
  }

 private:
  struct Housekeeping final : Timer {
    void on_timer(Time) override { objects->keep_house(); }
    ShardObjects* objects = nullptr;
  };

  Partition* ready_partition(const TopicPtr& topic, PartitionId number, RequestPtr& request);
  Group* ready_group(const GroupPtr& record, const TopicPtr& topic, RequestPtr& request);
  std::shared_ptr<Partition> open(const TopicPtr& topic, PartitionId number);
  bool all_ready(const TopicPtr& topic, RequestPtr& request);
  void read(RequestPtr request);
  void handle_group(RequestPtr request);
  void scrub(Settle* settle) const;
  void weigh(uint32_t weight);  // of a tenant whose events go into the set
  void publish(RequestPtr request);
  Error admit(const Request& publish, const Load& load, uint32_t* weight) const;
  bool knows_stored(const Tenant& tenant) const;
  void note_stored(TenantId tenant) const;  // one more partition of it is loaded
  bool set_full() const;
  void publish_in_order(RequestPtr request, int64_t bytes);
  void publish_now(RequestPtr request);
  void publish_held(TopicId topic);
  bool must_wait(Request& publish);
  bool is_loading(const TopicPtr& topic, PartitionId number, bool waited);
  void publish_events(std::unique_ptr<PublishEvents> request);
  void describe_topic(std::unique_ptr<DescribeTopic> request);
  void describe_group(std::unique_ptr<DescribeGroup> request);
  void cancel_delayed(std::unique_ptr<CancelDelayed> request);
  void purge_topic(std::unique_ptr<PurgeTopic> request);
  void drop_month(std::unique_ptr<DropMonth> request);  // months_by_hand.cc, as the next two
  Error check_drop(const DropMonth& request);
  void drop_now(std::unique_ptr<DropMonth> request);
  void import_month(RequestPtr request);
  void shard_stats(std::unique_ptr<ShardStats> request);
  GroupStats with_lag(GroupStats stats, uint32_t slot = Fetch::kNoSlot);
  void loaded(std::vector<RequestPtr> waiting);
  void keep_house();
  void forget_closed();
  void next_retention_pass();

  const ShardId id_;
  Ctx* const ctx_;
  const ShardOptions options_;
  std::unordered_map<PartitionKey, std::shared_ptr<Partition>> partitions_;
  struct LoadingGroup {
    std::shared_ptr<Group> group;
    std::vector<RequestPtr> waiting;
  };
  std::unordered_map<GroupId, LoadingGroup> groups_;
  // Publishes that wait for a partition to load. Those behind them on the same topic wait, too:
  // nobody overtakes one that goes to several partitions.
  std::unordered_map<TopicId, std::deque<RequestPtr>> held_;
  PublishQueue queue_;     // not empty: the set is full
  int64_t set_bytes_ = 0;  // published into the set so far
  uint32_t set_weight_ = 1;
  Audit audit_;
  SystemEvents system_events_;
  Rollups rollups_;
  AckedGroups acked_;
  std::shared_ptr<PublishValidation> validation_;
  std::shared_ptr<CatalogStore> catalog_;  // meta shard only
  std::vector<Partition*> folding_;        // touched this turn by single events
  Housekeeping housekeeping_;
  DelayedWake delayed_wake_;
  std::vector<std::weak_ptr<Partition>> retention_queue_;  // of this round, last first
  bool retention_running_ = false;
};

}  // namespace headrace::core

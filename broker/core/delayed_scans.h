// Requests about delayed events that read their rows: cancel by id and the list; and, after a
// start, which partitions have some, because nobody else may ask for those.
//
// Lives on: the topic's shard; each owns itself and its request until it has answered.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/core/ctx.h"
#include "broker/core/partition.h"

namespace headrace::core {

struct CancelScan {
  // `partitions`: all of the topic, in order, ready.
  static void begin(std::unique_ptr<CancelDelayed> request,
                    std::vector<std::shared_ptr<Partition>> partitions, Ctx* ctx);
};

struct DelayedList {
  static void begin(std::unique_ptr<ListDelayed> request, Ctx* ctx);
};

// Looks once through the topics of a shard for partitions with delayed events, as soon as the
// catalog is known.
class DelayedWake final : public Timer {
 public:
  using Found = std::function<void(const TopicPtr& topic, PartitionId number)>;
  DelayedWake(ShardId shard, Ctx* ctx, Found found);
  ~DelayedWake() override;

  void start();
  void stop();
  void on_timer(Time now) override;

 private:
  struct Totals;

  void next();
  void on_totals(const Totals& totals);

  const ShardId shard_;
  Ctx* const ctx_;
  const Found found_;
  std::vector<TopicPtr> topics_;  // still to be looked at, last first
  bool listed_ = false;
  std::shared_ptr<DelayedWake*> alive_;
};

}  // namespace headrace::core

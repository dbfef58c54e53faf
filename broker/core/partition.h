// One ordering lane of a topic: assigns offsets, keeps the order, moves the visible end when the
// store has synced, and answers readers from the tail or from the store.
//
// Lives on: the shard of its topic. Crash-only: load() is the only way to a state; a failed commit
// drops the object. Shared only so that reads on their way can find out that it is gone.
// Invariants: log_start <= visible_end <= next_offset; offsets are dense; append times never go
// back; what is visible is durable.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/core/api_history.h"
#include "broker/core/ctx.h"
#include "broker/core/delayed_queue.h"
#include "broker/core/event_ids.h"
#include "broker/core/fetch_queue.h"
#include "broker/core/fold.h"
#include "broker/core/log_index.h"
#include "broker/core/matcher.h"
#include "broker/core/month_import.h"
#include "broker/core/producers.h"
#include "broker/core/stored_share.h"
#include "broker/core/tail.h"

namespace headrace::core {

struct DroppedMonth {
  int64_t events = 0;
  int64_t bytes = 0;
};

class Partition final : public Committable, public std::enable_shared_from_this<Partition> {
 public:
  enum class State : uint8_t { loading, ready, failed, closed };

  Partition(TopicPtr topic, PartitionId number, std::shared_ptr<Matcher> matcher, Ctx* ctx);
  ~Partition() override;

  void load(std::function<void()> loaded);  // `loaded` runs when the state is known
  State state() const { return state_; }

  // Requests that must wait for load; the owner takes them back when it is done.
  std::vector<RequestPtr>& waiting() { return waiting_; }

  void publish(std::unique_ptr<PublishBatch> request);
  // One item of a publish of single events. Its offset is final; the set of the turn carries it. A
  // delayed one gets an id instead, or its error.
  void add(PublishEvents& request, size_t item);
  // Items [from, from + count) as one batch with consecutive offsets.
  void add_atomic(PublishEvents& request);
  // Takes a delayed event back that a scan has found; false if it is due or gone by now.
  bool cancel_delayed(const DelayedOrder& order, const IdHash& id, size_t row_bytes);
  DelayedQueue& delayed() { return delayed_; }
  void fetch(std::unique_ptr<Fetch> request);
  void list_offsets(std::unique_ptr<ListOffsets> request);
  void find(std::unique_ptr<FindEvents> request);
  void end_waits();                // before a clean stop: fetches are answered with what there is
  void seal();                     // the turn ends: the open fold becomes a batch
  void purge();                    // removes everything; closed afterwards
  void close(const Error& error);  // answers whoever waits
  void expire();                   // what it remembers of producers and event ids
  // Everything below `to` goes, out of `places`; `bytes_in_month` of it lie in the month that holds
  // `to`.
  void trim(Offset to, int64_t bytes_in_month, std::vector<storage::Place> places);

  // Months by hand: partition_months.cc. `end`: where it ends, the log's start if there is nothing.
  Error check_drop(Month month, Offset* end) const;
  DroppedMonth drop_month(Month month, const TenantContext& who, const std::string& why);
  void begin_import(std::unique_ptr<BeginImport> request);
  void import_batches(std::unique_ptr<ImportBatches> request);

  void on_committed(Ctx& ctx, uint64_t sequence) override;

  const TopicPtr& topic() const { return topic_; }
  PartitionId number() const { return number_; }
  Offset visible_end() const { return visible_end_; }
  const LogIndex& index() const { return index_; }
  // The group with this slot has been given all that it may want.
  bool waits(uint32_t slot) const { return fetches_.waits(slot); }
  PartitionStats stats() const;
  // Append time of the first visible event at or after `offset`, as far as memory knows; 0 if not.
  int64_t append_time_hint_us(Offset offset) const;

 private:
  friend struct PartitionLoad;

  // What was cut last: compacted once the cut is durable, only then is there something to free.
  struct Trimmed {
    uint64_t sequence;
    Offset to;
    std::vector<storage::Place> places;
  };

  struct Due final : Timer {
    void on_timer(Time) override {
      partition->delayed_.begin();  // if a read failed
      partition->append_due();
    }
    Partition* partition = nullptr;
  };

  // delayed events: partition_delayed.cc
  void delay(PublishEvents& request, size_t item);
  void delay_all(PublishEvents& request, const ProducerStamp& stamp);
  void repeat_delayed(PublishEvents& request, const Producers::Verdict& original);
  void append_due();
  void append_entry(const DelayedQueue::Entry& entry);
  void wait_for_due();

  // imports: partition_months.cc
  struct ImportFamily;
  Error check_import(const BeginImport& import, bool* present) const;
  void start_import(std::unique_ptr<BeginImport> request, storage::Status status);
  void remove_import(storage::WriteSet* writes);
  Error check_batches(const ImportBatches& request) const;
  Error finish_import(const TenantContext& who, storage::WriteSet* writes);
  void show_import();

  // repeated events: partition_dedup.cc
  bool repeats_item(PublishEvents& request, size_t item);
  bool repeats_whole(PublishEvents& request, const ProducerStamp& stamp);
  bool repeats_batch(PublishBatch& request, const ProducerStamp& stamp);
  uint64_t use_up(const ProducerStamp& stamp, const EventIds::Original& first);
  void remember(const storage::EventFields& event, Offset offset);

  void append(SharedBytes batch, storage::BatchHeader header, const storage::Summary& summary,
              storage::Violations violations);
  int64_t append_time();
  bool answer_duplicate(const ProducerStamp& stamp, Producers::Verdict* verdict);
  void serve(std::unique_ptr<Fetch> request);
  void fill_from_tail(Fetch& request) const;
  void expire_fetch(std::unique_ptr<Fetch> request);
  void note_types(const storage::Summary& summary);
  void wake(Offset before, const SlotSet& groups, bool all);
  void note_gone(const LogIndex::MonthSpan& month, const TenantContext& who,
                 const std::string& why);
  void compact(const Trimmed& trimmed);

  TopicPtr topic_;
  const PartitionId number_;
  Ctx* const ctx_;
  State state_ = State::loading;
  LogIndex index_;
  Producers producers_;
  std::shared_ptr<PartitionTail> tail_;
  Fold fold_;
  Durability fold_durability_ = Durability::durable;
  FetchQueue fetches_;
  const std::shared_ptr<Matcher> matcher_;  // of the topic's acked groups
  const TypeRollupPtr rollup_;
  std::vector<RequestPtr> waiting_;
  Offset visible_end_;
  struct Uncommitted {
    uint64_t sequence;
    Offset end;
    std::vector<Matcher::TypeId> types;
    bool any_type = false;  // not known in full
  };
  std::deque<Uncommitted> uncommitted_;
  StoredShare stored_;
  bool epoch_noted_ = false;
  std::optional<Trimmed> trimmed_;
  std::unique_ptr<MonthImport> import_;  // under way
  // The rows of one, under way or left: their month has a family.
  std::optional<storage::ImportRow> import_row_;
  EventIds event_ids_;
  DelayedQueue delayed_;
  Due due_;
  uint64_t due_sequence_ = 0;  // of the newest set that appended delayed events
};

}  // namespace headrace::core

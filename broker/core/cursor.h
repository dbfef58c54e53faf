// How far an acked group is in one lane of one partition: what is settled, what members hold, what
// was given back, what is parked for another attempt, and where the log is read next.
//
// Lives on: owner shard, inside its group. Its row (family offsets) and its retry rows go with the
// set of what changed them. H2, H5 of docs/delivery.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/api_acked.h"
#include "broker/core/blocked.h"
#include "broker/core/ctx.h"
#include "broker/core/in_flight.h"
#include "broker/core/log_reader.h"
#include "broker/core/retry_queue.h"
#include "broker/core/settled.h"

namespace headrace::core {

class AckedGroup;
constexpr std::string_view kUndecodable = "the batch's records do not parse";

// A settle request that waits until its last dead letter is written.
struct PendingSettle {
  std::unique_ptr<Settle> request;
  uint32_t dying = 0;
};
using PendingSettlePtr = std::shared_ptr<PendingSettle>;

class Cursor final : public Timer {
 public:
  Cursor(AckedGroup* group, PartitionId partition, LaneId lane, const storage::SettledRow& row,
         uint64_t blocked, Ctx* ctx);
  ~Cursor() override;

  // Gives the member up to `most` events; false if there is nothing to give now. What could be
  // given later is being read, or a timer is armed for it.
  bool fill(Acquire* acquire, uint32_t most);

  // Outcomes for what lies in [first, last] and has this attempt number. How many events they
  // concerned: 0 is a stale delivery.
  int64_t ack(const Settle::Outcome& outcome);
  int64_t extend(const Settle::Outcome& outcome);
  int64_t release(const Settle::Outcome& outcome);
  int64_t fail(const Settle::Outcome& outcome, const PendingSettlePtr& waiting);
  void release_member(uint64_t member);

  void on_fetched(Fetch& fetch);
  // Retention: the lowest offset that is still needed, as far as it is not in rows of retry; and
  // whether there are such. What is below a cut becomes dead letters, or is skipped if nobody was
  // given it.
  Offset oldest_in_memory() const;
  bool has_rows() const { return parked() + blocked() > 0; }
  void expire_below(Offset cut);
  void go_on_expiring();
  void move_blocked();  // into the dead letters, as far as these have space
  void bury();          // what is out of attempts and can be read
  // The event as a batch of its own; the whole batch if its records do not parse.
  static DeadLetter extract(Offset offset, BatchWalk& walk, bool undecodable);
  void write_row();  // if it changed: once at the end of the turn
  void on_timer(Time now) override;

  PartitionId partition() const { return partition_; }
  LaneId lane() const { return lane_; }
  Offset floor() const { return settled_.floor(); }
  Offset next() const { return next_; }
  int64_t in_flight() const { return held_.events(); }
  int64_t parked() const { return static_cast<int64_t>(retries_.count()); }
  int64_t blocked() const { return blocked_.count(); }
  int64_t given_back() const { return again_events_; }
  int64_t dying() const { return static_cast<int64_t>(dying_.size()); }

 private:
  struct Failure {
    FailureReason reason = FailureReason::nack;
    std::string error;
    int64_t delay_us = -1;
    bool final = false;  // no more attempts
    PendingSettlePtr waiting;
  };
  // Out of attempts: the event is read, then moved to the dead letters in one set.
  struct Dying {
    Offset offset;
    Offset end;  // one event, or a batch that nobody can read
    std::vector<AttemptRecord> attempts;
    FailureReason reason;
    std::string error;
    RetryEntryPtr retry;  // the row that goes with the move
    PendingSettlePtr waiting;
  };

  bool fill_again(Acquire* acquire, uint32_t most);
  bool fill_retries(Acquire* acquire, uint32_t most);
  bool fill_log(Acquire* acquire, uint32_t most);
  void fill_batch(Acquire* acquire, int64_t most);
  void pass(Offset to);
  Offset run_end(BatchWalk& walk, int64_t most);
  void take_log(Acquire* acquire, const BatchWalk& walk, Offset end);
  void give_up(const BatchWalk& walk);
  bool window_full() const;
  std::vector<InFlight::Piece> take(const Settle::Outcome& outcome);
  void acquire_range(Acquire* acquire, Offset first, HeldRange range, uint32_t batch);
  void give_back(Offset first, HeldRange range);
  void fail_piece(Offset first, const HeldRange& range, const Failure& failure);
  void park(Offset offset, const HeldRange& range, std::vector<AttemptRecord> attempts,
            int64_t delay_us);
  bool bury(Dying* dying, DeadLetter letter);
  void block(Dying* dying);
  void settle(Dying* dying);
  struct ExpiryPage;
  void skip_backlog(Offset cut);
  void on_expiry_page(ExpiryPage& page);
  void expire(RetryEntryPtr entry);
  void settle(Offset first, Offset end);
  void expire(Time now);
  void rearm();

  AckedGroup* const group_;
  const PartitionId partition_;
  const LaneId lane_;
  Ctx* const ctx_;
  Settled settled_;
  Offset next_;  // of the log; everything below is settled, held, again or dying
  InFlight held_;
  std::map<Offset, HeldRange> again_;  // given back: handed out again before anything else
  int64_t again_events_ = 0;
  RetryQueue retries_;
  Blocked blocked_;
  std::deque<Dying> dying_;
  LogReader log_;   // runs ahead of next_
  LogReader spot_;  // single events: given back, retried, dying
  // Events below are expired wherever they turn up.
  Offset expire_to_{0};
  std::optional<storage::Key> expire_from_;  // in the rows; none: nothing is to be read
  bool expiring_ = false;                    // a page is on its way
  std::shared_ptr<Cursor*> alive_ = std::make_shared<Cursor*>(this);
  bool dirty_ = false;
  int64_t lazy_since_mono_us_ = -1;  // the floor moved only over events that nobody wanted
};

}  // namespace headrace::core

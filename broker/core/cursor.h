// How far an acked group is in one lane of one partition: what is settled, what members hold, what
// was given back, what is parked for another attempt, and where the log is read next.
//
// Lane 0 follows the log for ever. The lane of a replay has an end and a filter of its own, that of
// a redrive has no log: its events are parked from the start, and dead letters hold them.
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

#include "broker/core/api_explain.h"
#include "broker/core/blocked.h"
#include "broker/core/ctx.h"
#include "broker/core/filter.h"
#include "broker/core/in_flight.h"
#include "broker/core/key_order.h"
#include "broker/core/letter_reader.h"
#include "broker/core/log_reader.h"
#include "broker/core/retry_queue.h"
#include "broker/core/settled.h"

namespace headrace::core {

class AckedGroup;
class Job;
constexpr std::string_view kUndecodable = "the batch's records do not parse";

// A settle request that waits until its last dead letter is written.
struct PendingSettle {
  std::unique_ptr<Settle> request;
  uint32_t dying = 0;
};
using PendingSettlePtr = std::shared_ptr<PendingSettle>;

class Cursor final : public Timer {
 public:
  // `job` owns the cursor; nullptr: lane 0. `end` is where its part of the log ends; `blocked`: so
  // many of the parked rows wait for space in the dead letters, in lane 0 only.
  Cursor(AckedGroup* group, PartitionId partition, Job* job, Offset end,
         const storage::SettledRow& row, uint64_t blocked, Ctx* ctx);
  ~Cursor() override;

  // Gives the member up to `most` events; false if there is nothing to give now. What could be
  // given later is being read, or a timer is armed for it.
  bool fill(Acquire* acquire, uint32_t most);
  // A member has it, and no outcome has come.
  bool holds(Offset offset) const { return held_.find(offset) != nullptr; }

  // Outcomes for what lies in [first, last] and has this attempt number. How many events they
  // concerned: 0 is a stale delivery.
  int64_t ack(const Settle::Outcome& outcome);
  int64_t extend(const Settle::Outcome& outcome);
  int64_t release(const Settle::Outcome& outcome);
  int64_t fail(const Settle::Outcome& outcome, const PendingSettlePtr& waiting);
  void release_member(uint64_t member);

  // A job's own: a redriven letter becomes a parked event, due now or later. Dry run: counts what
  // would be delivered of at most `*batches` batches, as far as they are there.
  void redrive(const DeadLetter& letter, int64_t due_us);
  void count(int64_t* batches);
  // Cancelled: what members hold goes back to their windows; nothing happens afterwards.
  void abandon();
  bool finished() const;  // of a job: nothing is left to do
  void touch();           // its row is written, and the job looked at, when the turn ends

  // ---- for explain and searches (explainer.cc, group_search.cc)

  // Where an event of the log is, as far as memory knows; nullopt: it is settled, and may have a
  // row: from unread_from() on if it is parked (nullopt: none is).
  std::optional<EventPlace> place_of(Offset offset) const;
  // Offsets that memory knows to have one of the rare statuses; in no order.
  void list_in_memory(EventStatus status, std::vector<Offset>* to) const;
  std::optional<storage::Key> unread_from() const { return retries_.unread_from(); }
  int64_t window_offsets() const { return next_ - settled_.floor(); }

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
  void write_late() {
    if (lazy_since_mono_us_ >= 0) touch();
  }
  void write_row();  // if it changed: once at the end of the turn
  void on_timer(Time now) override;

  // What the answers to its reads carry; those of blocked events one bit more.
  static constexpr uint32_t kBlockedTicket = 1u << 31;
  static uint32_t ticket(LaneId lane, bool spot) { return lane.value() * 2 + (spot ? 1u : 0u); }
  static LaneId lane_of_ticket(uint32_t ticket) { return LaneId((ticket & ~kBlockedTicket) / 2); }

  PartitionId partition() const { return partition_; }
  LaneId lane() const { return lane_; }
  Offset floor() const { return settled_.floor(); }
  Offset next() const { return next_; }
  int64_t in_flight() const { return held_.events(); }
  int64_t parked() const { return static_cast<int64_t>(retries_.count()); }
  int64_t blocked() const { return blocked_.count(); }
  // Known to be done where the log has not been read again yet, after a restart.
  int64_t settled_ahead() const { return settled_.count_from(next_); }
  int64_t given_back() const { return again_events_; }
  // Behind an event of their key that is in flight; behind one that is parked, with rows
  // themselves.
  int64_t waiting() const { return keys_ == nullptr ? 0 : keys_->waiting_in_memory(); }
  int64_t waiting_parked() const { return keys_ == nullptr ? 0 : keys_->waiting_in_rows(); }
  // In flight, given back or dying, and without a parked row.
  int64_t unparked() const {
    return in_flight() + given_back() + dying() - static_cast<int64_t>(retries_.taken());
  }
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

    // The batch is kept whole. Of one that was blocked its row says so.
    bool undecodable() const {
      if (!attempts.empty()) return false;
      if (retry == nullptr) return reason == FailureReason::undecodable;
      return retry->due_us == RetryEntry::kNever && retry->reason == FailureReason::undecodable;
    }
  };
  // What is to become of an event of the log.
  enum class Fate : uint8_t {
    passed,   // it is none of the group's, or the job's, business
    given,    // to a member
    unwanted  // to the dead letters at once: nobody may have it
  };

  bool fill_again(Acquire* acquire, uint32_t most);
  bool is_out(Offset offset) const {
    return held_.find(offset) != nullptr || is_given_back(offset);
  }
  bool is_given_back(Offset offset) const;
  void free_behind();
  bool fill_retries(Acquire* acquire, uint32_t most);
  bool fill_log(Acquire* acquire, uint32_t most);
  void fill_batch(Acquire* acquire, int64_t most);
  void pass(Offset to);
  Offset run_end(BatchWalk& walk, int64_t most);
  void take_log(Acquire* acquire, BatchWalk& walk, Offset end);
  void give_up(const BatchWalk& walk);
  Fate fate(const BatchWalk& walk, Offset offset, const EventView& event) const;
  void give_up_event(const BatchWalk& walk, const EventView& event);
  bool wants_everything() const;
  LogReader::State look(Offset offset, const RetryEntryPtr& retry);
  BatchWalk& spot() { return spot_is_letter_ ? letters_->batch() : spot_.batch(); }
  void expired(Offset first, const HeldRange& range);
  int64_t allowed(int64_t most);
  void returned(Offset first, const HeldRange& range);
  void choose_skips();
  void skip_gone();
  bool window_full() const;
  int64_t unsettled() const { return held_.events() + again_events_ + waiting(); }
  std::vector<InFlight::Piece> take(const Settle::Outcome& outcome);
  void acquire_range(Acquire* acquire, Offset first, HeldRange range, uint32_t batch);
  void count_acked(Offset first, const HeldRange& range);
  void keep_attempts(Offset first, const HeldRange& range);
  void give_back(Offset first, HeldRange range);
  void fail_piece(Offset first, const HeldRange& range, const Failure& failure);
  void park(Offset offset, const HeldRange& range, std::vector<AttemptRecord> attempts,
            int64_t delay_us);
  bool keeps_quota(const Dying& dying) const;
  bool bury(Dying* dying, DeadLetter letter);
  void block(Dying* dying);
  void settle(Dying* dying);
  // ordering = key (cursor_keys.cc)
  struct KeyPage;
  bool keys_ready();
  void read_keys(storage::Key from);
  void on_key_page(KeyPage& page);
  bool may_go(const storage::RecordView& record);
  void put_behind(Offset offset, uint64_t key);
  void go_on(KeyOrder::Waiter next);
  void key_over(Offset offset);
  void skip_waiting(Offset cut);
  struct ExpiryPage;
  void skip_backlog(Offset cut);
  void on_expiry_page(ExpiryPage& page);
  void expire(RetryEntryPtr entry);
  void settle(Offset first, Offset end);
  void expire(Time now);
  void on_read();
  void follow();
  void rearm();

  AckedGroup* const group_;
  const PartitionId partition_;
  Job* const job_;
  const LaneId lane_;
  const Offset end_;
  Ctx* const ctx_;
  Settled settled_;
  Offset next_;  // of the log; everything below is settled, held, again or dying
  InFlight held_;
  std::map<Offset, HeldRange> again_;  // given back: handed out again before anything else
  int64_t again_events_ = 0;
  std::multimap<Offset, RetryEntryPtr> behind_;  // due, but their event is out for another letter
  RetryQueue retries_;
  Blocked blocked_;
  std::deque<Dying> dying_;
  LogReader log_;                          // runs ahead of next_
  LogReader spot_;                         // single events: given back, retried, dying
  std::unique_ptr<LetterReader> letters_;  // likewise, of a redrive
  std::unique_ptr<KeyOrder> keys_;         // nullptr: events go whatever their keys
  enum class Keys : uint8_t { unread, reading, failed, ready } keys_state_ = Keys::ready;
  bool spot_is_letter_ = false;  // where look() found the last one
  bool rate_limited_ = false;    // something may go at the job's next time
  // Events below are expired wherever they turn up.
  Offset expire_to_{0};
  std::optional<storage::Key> expire_from_;  // in the rows; none: nothing is to be read
  bool expiring_ = false;                    // a page is on its way
  std::shared_ptr<Cursor*> alive_ = std::make_shared<Cursor*>(this);
  bool dirty_ = false;
  int64_t lazy_since_mono_us_ = -1;  // the floor moved only over events that nobody wanted
};

}  // namespace headrace::core

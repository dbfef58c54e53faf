// An acked group: the broker keeps for every event of its topic what the group did with it. Members
// ask for deliveries and say how each ended; failures are retried by the group's policy and end as
// dead letters; a handler that only fails is stopped and probed. The contract is docs/delivery.md.
//
// Lives on: the shard of its topic. Everything durable is rows: positions (offsets), parked events
// (retry), dead letters (dlq), health (state). After a restart unsettled events are delivered again
// under the same attempt number; members and deadlines are memory only.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/api_acked.h"
#include "broker/core/api_jobs.h"
#include "broker/core/audit.h"
#include "broker/core/ctx.h"
#include "broker/core/cursor.h"
#include "broker/core/dead_letters.h"
#include "broker/core/explainer.h"
#include "broker/core/filter.h"
#include "broker/core/group_search.h"
#include "broker/core/handler_stats.h"
#include "broker/core/health.h"
#include "broker/core/held_share.h"
#include "broker/core/jobs.h"
#include "broker/core/matcher.h"

namespace headrace::core {

struct AckedAttempts;

class AckedGroup final : public Committable,
                         public Timer,
                         public std::enable_shared_from_this<AckedGroup> {
 public:
  enum class State : uint8_t { loading, ready, failed };

  // `changed`: where it puts itself, once a turn, when seal() shall be called.
  AckedGroup(GroupPtr record, TopicPtr topic, std::shared_ptr<Matcher> matcher, Ctx* ctx,
             TurnShares* turns, std::vector<AckedGroup*>* changed);
  ~AckedGroup() override;

  // ---- for the shard

  void load(std::function<void()> loaded);  // runs when the state is known
  State state() const { return state_; }
  void handle(RequestPtr request);     // ready
  void adopt(const GroupPtr& record);  // newer options
  void on_fetched(Fetch& fetch);
  void on_found(FindEvents& found) { search_.on_found(found); }
  void on_position(ListOffsets& found);  // while loading: where a new group starts
  void seal();                           // the turn ends: changed rows are written
  void write_late();                     // before a clean stop
  void close(const Error& error);        // answers whoever waits; nothing happens afterwards
  void purge();                          // removes every row
  GroupStats stats() const;
  bool has_members() const { return !members_.empty(); }

  // ---- for retention, ready (group_retention.cc)

  // The log is not held for a group that somebody switched off.
  bool holds_log() const { return health_.state() != GroupState::disabled; }
  // Tells the lowest offset that it still needs; Offset(0) if it cannot be known now.
  void oldest_needed(PartitionId partition, std::function<void(Offset)> found);
  void expire_below(PartitionId partition, Offset cut);
  // The log begins there now.
  void forget_attempts(PartitionId partition, Offset log_start);

  void on_committed(Ctx& ctx, uint64_t sequence) override;
  void on_timer(Time now) override;  // the cool-down is over

  // ---- for explain and searches, ready (explainer.cc)

  const Cursor& live_cursor(PartitionId partition) const { return *cursors_.at(partition.value()); }
  // The group's state, and what holds events that are where `request` says.
  void tell_state(ExplainEvent* request) const;
  // What is told of an event that is settled or waits: whether it was any of the group's business.
  EventStatus status_told(EventStatus status, Offset offset, std::optional<int64_t> append_time_us,
                          bool mismatch) const;
  void explain_jobs(ExplainEvent* request) const { jobs_.explain(request); }

  // ---- for its cursors

  const TopicPtr& topic() const { return topic_; }
  const GroupPtr& record() const { return record_; }
  const GroupOptions& options() const { return record_->options; }
  const FilterPtr& filter() const { return filter_; }
  bool wants_everything() const { return wants_everything_; }
  // What only its version keeps out becomes a dead letter.
  bool buries_versions() const {
    return options().version_mismatch == GroupOptions::VersionMismatch::dead_letter;
  }
  bool keeps_attempts() const;
  bool kept_attempts() const { return kept_attempts_; }  // there may be rows
  void put_attempts(PartitionId partition, Offset last, LaneId lane, const AckedAttempts& row);
  bool passes_over(const Filter::Verdict& verdict) const {
    if (verdict.outcome == Filter::Outcome::wrong_version) return !buries_versions();
    return verdict.outcome != Filter::Outcome::matches;
  }
  Matcher::Slot slot() const { return *slot_; }
  const TypeRollupPtr& rollup() const { return rollup_; }
  const Health& health() const { return health_; }
  DeadLetters& dead_letters() { return dead_letters_; }
  const DeadLetters& dead_letters() const { return dead_letters_; }
  // What fetches of its cursors carry: this load of this group, no other.
  uint64_t fetch_origin() const { return origin_of(record_->id, ctx_->epoch()); }
  static uint64_t origin_of(GroupId group, Epoch epoch) {
    return uint64_t{epoch.value()} << 32 | group.value();
  }
  bool may_deliver() const {
    return (health_.delivers() || health_.probes()) && !everything_blocked();
  }
  std::string member_name(uint64_t member) const;
  void pump();
  void mark_dirty();
  void on_returned(LaneId lane, uint64_t member, int64_t events);  // it holds so many fewer
  // Whether a delivery whose deadline passed may be taken back in this turn (turn_shares.h).
  bool may_expire() { return held_.room_to_expire() > 0; }
  void note_expired(int64_t events) { held_.spend_turn(events); }
  void on_acked(LaneId lane, const HeldRange& range, int64_t events);
  void on_failed(LaneId lane, PartitionId partition, Offset offset, FailureReason reason,
                 const std::string& error, const HeldRange& range);
  // Expired events go to the dead letters whatever the quota says: nothing else is left of them.
  enum class Quota : uint8_t { kept, exceeded };
  DeadLetters::Put bury(DeadLetter letter, Quota quota);
  // Whether an event that is out of attempts may become a letter now: blocked ones go first.
  bool takes_letters() const { return blocked_ == 0 && dead_letters_.has_room(); }
  bool takes_blocked() const { return dead_letters_.has_room(); }
  void count_blocked(int64_t events);
  void answer(PendingSettle& waiting);
  void on_released(LaneId lane, const HeldRange& range, int64_t events);
  void advance_jobs();
  void count_skipped(PartitionId partition, Offset from, Offset to, int64_t events);

 private:
  struct Member {
    uint64_t id = 0;
    std::string client;
    uint32_t window = 0;
    int64_t held = 0;
    int64_t held_of_jobs = 0;  // of them, in lanes above 0
  };
  // The event that is let through, as long as a member holds it: however it is over, the next goes.
  struct Probe {
    PartitionId partition;
    LaneId lane;
    Offset offset;
  };
  bool probe_out();
  struct Waiting final : Timer {
    void on_timer(Time) override { group->expire(this); }
    AckedGroup* group = nullptr;
    std::list<Waiting>::iterator self;
    std::unique_ptr<Acquire> request;
  };
  struct Load;
  struct OldestRow;

  // As many events wait for space in the dead letters as these may hold: nothing more is given out.
  bool everything_blocked() const { return blocked_ >= int64_t{options().dlq_entries}; }
  void move_blocked();
  GroupState state_told() const;
  void health_loaded(const SharedBytes& row);
  void scan_positions();
  void scan_jobs();
  void ask_positions();
  void become_ready();
  void fail_load();
  void attach(std::unique_ptr<AttachMember> request);
  void detach(std::unique_ptr<DetachMember> request);
  void acquire(std::unique_ptr<Acquire> request);
  void settle(std::unique_ptr<Settle> request);
  void set_state(std::unique_ptr<SetGroupState> request);
  bool serve(Acquire& request);
  bool serve_job(Acquire& request, Member& member);
  void handed_out(Acquire& request, Member& member);
  void expire(Waiting* waiting);
  Error apply(Settle::Outcome& outcome, const PendingSettlePtr& pending);
  Cursor* cursor(PartitionId partition, LaneId lane);
  void watch_cooldown();
  void note_duration(bool failed, int64_t duration_us, int64_t events);
  void log_state(const char* what) const;
  AuditChange state_change(GroupState before) const;
  void note(AuditAction action, std::string reason, std::vector<AuditChange> changes);
  void note_state(AuditAction action, GroupState before);
  void warn_failing(GroupState before);

  GroupPtr record_;
  const TopicPtr topic_;
  Ctx* const ctx_;
  State state_ = State::loading;
  std::function<void()> loaded_;
  std::map<std::pair<LaneId, PartitionId>, storage::SettledRow> starts_;  // while loading
  std::map<PartitionId, uint64_t> starts_blocked_;                        // likewise, of lane 0
  FilterPtr filter_;
  bool wants_everything_ = true;
  const std::shared_ptr<Matcher> matcher_;  // of the topic
  const TypeRollupPtr rollup_;              // likewise
  std::optional<Matcher::Slot> slot_;
  Health health_;
  DeadLetters dead_letters_;
  HandlerStats handler_;
  std::vector<std::unique_ptr<Cursor>> cursors_;  // by partition
  size_t next_cursor_ = 0;                        // round robin
  Jobs jobs_;                                     // the lanes above 0
  Explainer explainer_;
  GroupSearch search_;
  std::map<uint64_t, Member> members_;
  uint64_t members_named_ = 0;
  HeldShare held_;
  std::list<Waiting> waiting_;  // acquires, in the order they came
  std::vector<AckedGroup*>* const changed_;
  bool dirty_ = false;
  bool pumping_ = false;
  std::optional<Probe> probe_;
  bool kept_attempts_ = false;
  bool warned_ = false;  // that it fails, and not yet that it recovered
  int64_t warn_again_mono_us_ = INT64_MIN;
  int64_t blocked_ = 0;  // of all cursors
  int64_t delivered_ = 0;
  int64_t released_ = 0;
  int64_t acked_ = 0;
  int64_t failed_ = 0;
  int64_t dead_ = 0;
  int64_t skipped_ = 0;
  int64_t last_success_us_ = 0;
  int64_t last_failure_us_ = 0;
  std::string last_error_;
};

}  // namespace headrace::core

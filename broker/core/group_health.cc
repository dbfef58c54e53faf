// How the outcomes of deliveries, and people, move a group's health; what is logged and told of it.
#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::core {

void AckedGroup::on_acked(LaneId lane, const HeldRange& range, int64_t events) {
  const Time& now = ctx_->now();
  acked_ += events;
  last_success_us_ = now.wall_us;
  note_duration(false, now.mono_us - range.started_mono_us, events);
  metrics::add(metrics::Counter::group_acks, static_cast<uint64_t>(events));
  if (lane != LaneId(0) && !(probe_ && probe_->lane == lane)) return;
  const GroupState before = health_.state();
  const bool stopped = health_.quarantined();
  if (!health_.on_success(range.started_mono_us)) return;
  probe_.reset();
  if (stopped) log_state("a probe succeeded: the group gets deliveries again");
  if (stopped || std::exchange(warned_, false)) note_state(AuditAction::group_recovered, before);
}

void AckedGroup::on_failed(LaneId lane, PartitionId partition, Offset offset, FailureReason reason,
                           const std::string& error, const HeldRange& range) {
  const Time& now = ctx_->now();
  ++failed_;
  last_failure_us_ = now.wall_us;
  last_error_ = error.empty() ? std::string(to_string(reason)) : error;
  metrics::add(metrics::Counter::group_failures);
  mark_dirty();
  const bool probes = probe_ && probe_->lane == lane && probe_->offset == offset;
  const bool counts = (lane == LaneId(0) || probes) &&
                      (reason == FailureReason::nack || reason == FailureReason::timeout ||
                       reason == FailureReason::lost_members);
  if (!counts) return;
  note_duration(true, now.mono_us - range.started_mono_us, 1);
  probe_.reset();
  const GroupState before = health_.state();
  if (health_.on_failure({partition, offset}, options(), now)) {
    metrics::add(metrics::Counter::group_trips);
    log_state("the group is quarantined: its handler fails");
    note_state(AuditAction::group_quarantined, before);
  } else if (before != GroupState::failing && health_.state() == GroupState::failing) {
    warn_failing(before);
  }
  watch_cooldown();
}

// A probe that is given back has said nothing: another cool-down.
void AckedGroup::on_released(LaneId lane, const HeldRange& range, int64_t events) {
  released_ += events;
  if (!probe_ || probe_->lane != lane || !health_.probes() ||
      !health_.counts(range.started_mono_us))
    return;
  probe_.reset();
  health_.probe_lost(options(), ctx_->now().wall_us);
  mark_dirty();
  watch_cooldown();
}

void AckedGroup::count_blocked(int64_t events) {
  const bool before = everything_blocked();
  blocked_ += events;
  mark_dirty();
  if (events > 0) metrics::add(metrics::Counter::group_blocked, static_cast<uint64_t>(events));
  if (everything_blocked() == before) return;
  log::write(before ? log::Level::info : log::Level::error,
             before ? "the group gets deliveries again: there is space in its dead letters"
                    : "the group is blocked: its dead letters are full, and as many events wait",
             {{"group", record_->name}, {"blocked", blocked_}});
  note(before ? AuditAction::group_unblocked : AuditAction::group_blocked,
       std::to_string(blocked_) + " events wait for space among the dead letters", {});
}

// ---- health

void AckedGroup::set_state(std::unique_ptr<SetGroupState> request) {
  const GroupState before = health_.state();
  AuditAction action = AuditAction::group_enabled;
  switch (request->action) {
    case SetGroupState::Action::enable:
      health_.enable();
      break;
    case SetGroupState::Action::disable:
      health_.disable(request->reason);
      action = AuditAction::group_disabled;
      break;
    case SetGroupState::Action::probe:
      if (!health_.quarantined()) {
        request->error = Error(ErrorCode::invalid_request,
                               "action: only a quarantined group is "
                               "probed; enable a disabled one");
        return ctx_->reply(std::move(request));
      }
      health_.probe();
      action = AuditAction::group_probed;
      break;
  }
  probe_.reset();
  log_state("the group's state was set");
  mark_dirty();
  watch_cooldown();
  request->state = health_.state();
  ctx_->audit().note(request->tenant,
                     {action, "group " + record_->name, request->reason, {state_change(before)}});
  ctx_->reply_committed(std::move(request), Durability::durable);
  pump();
}

void AckedGroup::log_state(const char* what) const {
  log::info(what, {{"group", record_->name},
                   {"state", to_string(health_.state())},
                   {"reason", health_.reason()}});
}

// The wheel runs on the monotonic clock, the cool-down on the wall clock: look again at its end.
void AckedGroup::watch_cooldown() {
  if (health_.state() != GroupState::quarantined) return ctx_->disarm(this);
  const Time& now = ctx_->now();
  ctx_->arm(this, now.mono_us + std::max<int64_t>(health_.cooldown_ends_us() - now.wall_us, 0));
}

void AckedGroup::on_timer(Time now) {
  if (health_.tick(now.wall_us)) {
    log_state("the cool-down is over: one event is let through");
    note_state(AuditAction::group_probing, GroupState::quarantined);
    mark_dirty();
  }
  watch_cooldown();
  pump();
}

// ---- what is told of it

AuditChange AckedGroup::state_change(GroupState before) const {
  return {"state", std::string(to_string(before)), std::string(to_string(health_.state()))};
}

void AckedGroup::note(AuditAction action, std::string reason, std::vector<AuditChange> changes) {
  ctx_->audit().note(Access::node(topic_->tenant),
                     {action, "group " + record_->name, std::move(reason), std::move(changes)});
}

void AckedGroup::note_state(AuditAction action, GroupState before) {
  note(action, health_.reason(), {state_change(before)});
}

// A handler that fails now and then is told of now and then.
void AckedGroup::warn_failing(GroupState before) {
  const int64_t now_us = ctx_->now().mono_us;
  if (now_us < warn_again_mono_us_) return;
  warn_again_mono_us_ = now_us + limits::kWarnAgainUs;
  warned_ = true;
  note(AuditAction::group_failing,
       std::to_string(health_.consecutive_failures()) + " events in a row: " + last_error_,
       {state_change(before)});
}

}  // namespace headrace::core

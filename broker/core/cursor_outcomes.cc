// What becomes of deliveries: acks, extensions, releases, failures; retries and dead letters.
#include <algorithm>

#include "broker/core/acked_attempts.h"
#include "broker/core/acked_group.h"
#include "broker/core/cursor.h"
#include "broker/core/delayed_event.h"
#include "broker/core/job.h"
#include "broker/core/retry_policy.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

// Of a letter that holds one event; others are not looked into.
TypeRollup::TypeId type_of(const DeadLetter& letter, TypeRollup& rollup) {
  OpenedEvent event;
  if (!open_event(letter.event, &event)) return TypeRollup::kUnknown;
  return rollup.id_of(event.type);
}

TypeRollup::TypeId type_in(const HeldRange& range, Offset offset) {
  return range.types == nullptr ? TypeRollup::kUnknown : range.types->of(offset);
}

// Cuts what lies in [first, last] with this attempt out of the ranges that wait.
std::vector<InFlight::Piece> cut_again(std::map<Offset, HeldRange>* again, Offset first,
                                       Offset last, uint32_t attempt) {
  std::vector<InFlight::Piece> cut;
  auto at = again->upper_bound(first);
  if (at != again->begin()) --at;
  while (at != again->end() && at->first <= last) {
    const Offset from = at->first;
    HeldRange range = at->second;
    if (range.last < first || range.attempt != attempt) {
      ++at;
      continue;
    }
    at = again->erase(at);
    if (from < first) {
      HeldRange before = range;
      before.last = first + -1;
      again->emplace(from, std::move(before));
    }
    if (range.last > last) {
      HeldRange after = range;
      after.last = range.last;
      at = again->emplace(last + 1, std::move(after)).first;
    }
    range.last = std::min(range.last, last);
    cut.emplace_back(std::max(from, first), std::move(range));
  }
  return cut;
}

}  // namespace

std::vector<InFlight::Piece> Cursor::take(const Settle::Outcome& outcome) {
  auto pieces = held_.take(outcome.first, outcome.last, outcome.attempt);
  for (const auto& [first, range] : pieces) returned(first, range);
  // Given back and not handed out again: whoever had it may still say how it ended.
  for (auto& piece : cut_again(&again_, outcome.first, outcome.last, outcome.attempt)) {
    again_events_ -= piece.second.events(piece.first);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

int64_t Cursor::ack(const Settle::Outcome& outcome) {
  int64_t events = 0;
  for (const auto& [first, range] : take(outcome)) {
    if (range.retry != nullptr) retries_.remove(*range.retry, group_);
    settle(first, range.last + 1);
    key_over(first);
    events += range.events(first);
    if (job_ != nullptr) job_->record.acked += range.events(first);
    group_->on_acked(lane_, range, range.events(first));
    count_acked(first, range);
    if (group_->keeps_attempts()) keep_attempts(first, range);
  }
  rearm();
  return events;
}

// What an ack would leave nothing of, in the set of the ack. Pieces end where explain ends to look.
void Cursor::keep_attempts(Offset first, const HeldRange& range) {
  AckedAttempts row;
  if (range.retry != nullptr) row.attempts = range.retry->attempts;
  row.attempts.push_back({range.attempt,
                          range.started_wall_us,
                          ctx_->now().wall_us,
                          group_->member_name(range.member),
                          FailureReason::acked,
                          {},
                          lane_});
  for (Offset at = first; at <= range.last;) {
    const Offset last = std::min(range.last, last_of_attempts(at));
    row.first = at;
    group_->put_attempts(partition_, last, lane_, row);
    at = last + 1;
  }
}

// Runs of one type are counted at once.
void Cursor::count_acked(Offset first, const HeldRange& range) {
  const int64_t duration_us = ctx_->now().mono_us - range.started_mono_us;
  TypeRollup& rollup = *group_->rollup();
  for (Offset at = first; at <= range.last;) {
    const auto type = type_in(range, at);
    Offset end = at + 1;
    while (end <= range.last && type_in(range, end) == type) end = end + 1;
    rollup.acked(type, static_cast<uint64_t>(end - at), duration_us);
    at = end;
  }
}

int64_t Cursor::extend(const Settle::Outcome& outcome) {
  int64_t events = 0;
  for (auto& [first, range] : held_.take(outcome.first, outcome.last, outcome.attempt)) {
    events += range.events(first);
    range.deadline_mono_us = ctx_->now().mono_us + group_->options().ack_deadline_us;
    held_.hold(first, std::move(range));
  }
  rearm();
  return events;
}

int64_t Cursor::release(const Settle::Outcome& outcome) {
  int64_t events = 0;
  for (auto& [first, range] : held_.take(outcome.first, outcome.last, outcome.attempt)) {
    events += range.events(first);
    returned(first, range);
    give_back(first, std::move(range));
  }
  rearm();
  return events;
}

int64_t Cursor::fail(const Settle::Outcome& outcome, const PendingSettlePtr& waiting) {
  Failure failure;
  failure.reason =
      outcome.verdict == Verdict::reject ? FailureReason::rejected : FailureReason::nack;
  failure.error = outcome.error.substr(0, limits::kErrorTextMax);
  failure.delay_us = outcome.delay_us;
  failure.final = outcome.verdict == Verdict::reject;
  failure.waiting = waiting;
  int64_t events = 0;
  for (const auto& [first, range] : take(outcome)) {
    events += range.events(first);
    fail_piece(first, range, failure);
  }
  bury();
  rearm();
  return events;
}

void Cursor::release_member(uint64_t member) {
  for (auto& [first, range] : held_.take_member(member)) give_back(first, std::move(range));
  bury();
  rearm();
}

// A delivery without an outcome. So often that the handler must be what ends its members: a
// failure.
void Cursor::give_back(Offset first, HeldRange range) {
  group_->on_released(lane_, range, range.events(first));
  if (++range.releases >= limits::kReleasesBeforeFailure) {
    return fail_piece(first, range, {FailureReason::lost_members, "", -1, false, nullptr});
  }
  again_events_ += range.events(first);
  again_.emplace(first, std::move(range));
}

void Cursor::fail_piece(Offset first, const HeldRange& range, const Failure& failure) {
  const Time& now = ctx_->now();
  for (Offset offset = first; offset <= range.last; offset = offset + 1) {
    std::vector<AttemptRecord> attempts;
    if (range.retry != nullptr) attempts = range.retry->attempts;
    attempts.push_back({range.attempt, range.started_wall_us, now.wall_us,
                        group_->member_name(range.member), failure.reason, failure.error, lane_});
    group_->on_failed(lane_, partition_, offset, failure.reason, failure.error, range);
    group_->rollup()->failed(type_in(range, offset), now.mono_us - range.started_mono_us);
    const bool final = failure.final || range.attempt > group_->options().retry.max_retries;
    if (!final) {
      park(offset, range, std::move(attempts), failure.delay_us);
      continue;
    }
    if (failure.waiting != nullptr) ++failure.waiting->dying;
    dying_.push_back({offset, offset + 1, std::move(attempts), failure.reason, failure.error,
                      range.retry, failure.waiting});
  }
}

void Cursor::park(Offset offset, const HeldRange& range, std::vector<AttemptRecord> attempts,
                  int64_t delay_us) {
  if (delay_us < 0) {
    const uint64_t seed = static_cast<uint64_t>(offset.value()) << 20 ^ partition_.value();
    delay_us = retry_delay_us(group_->options().retry, range.attempt, seed);
  }
  RetryEntry entry;
  entry.due_us = ctx_->now().wall_us + delay_us;
  entry.offset = offset;
  entry.attempt = range.attempt + 1;
  entry.attempts = std::move(attempts);
  entry.letter = range.retry == nullptr ? 0 : range.retry->letter;
  if (range.retry != nullptr) retries_.remove(*range.retry, group_);
  if (keys_ != nullptr) entry.key = keys_->key_of(offset);
  const uint64_t key = entry.key;
  retries_.put(std::move(entry), group_);
  settle(offset, offset + 1);
  if (key == 0) return;
  for (const Offset behind : keys_->park(offset)) put_behind(behind, key);
}

// ---- dead letters

void Cursor::bury() {
  while (!dying_.empty()) {
    const bool full = keeps_quota(dying_.front()) && !group_->takes_letters();
    const auto state =
        full ? LogReader::State::ready : look(dying_.front().offset, dying_.front().retry);
    if (state == LogReader::State::reading || state == LogReader::State::failed) return;
    Dying dying = std::move(dying_.front());
    dying_.pop_front();
    if (full) {
      block(&dying);
      continue;
    }
    DeadLetter letter;
    if (state == LogReader::State::ready) {
      letter = extract(dying.offset, spot(), dying.undecodable());
    }
    if (!bury(&dying, std::move(letter))) return dying_.push_front(std::move(dying));
    // A log full of events that nobody may have: the next set goes on.
    if (job_ == nullptr && ctx_->writes(group_).bytes() > limits::kBlockedMoveBytes) return;
  }
}

DeadLetter Cursor::extract(Offset offset, BatchWalk& walk, bool undecodable) {
  DeadLetter letter;
  letter.append_time_us = walk.stored.append_time_us;
  storage::RecordView record;
  if (undecodable || walk.at(offset, &record) != storage::BatchError::ok) {
    letter.event = walk.stored.bytes;
    return letter;
  }
  letter.event = storage::batch_of_one(record, offset, Epoch(walk.header.leader_epoch));
  return letter;
}

// Of expired events nothing else is left; lanes of jobs never block.
bool Cursor::keeps_quota(const Dying& dying) const {
  return job_ == nullptr && dying.reason != FailureReason::expired;
}

// False: the dead letters make room first, and then this is tried again.
bool Cursor::bury(Dying* dying, DeadLetter letter) {
  letter.lane = lane_;
  letter.partition = partition_;
  letter.offset = dying->offset;
  letter.reason = dying->reason;
  letter.error = dying->error;
  letter.attempts = dying->attempts;
  letter.dead_us = ctx_->now().wall_us;
  if (dying->retry != nullptr) letter.redrive_of = dying->retry->letter;
  const TypeRollup::TypeId type = type_of(letter, *group_->rollup());
  const auto put =
      group_->bury(std::move(letter),
                   keeps_quota(*dying) ? AckedGroup::Quota::kept : AckedGroup::Quota::exceeded);
  if (put == DeadLetters::Put::waiting) return false;
  if (job_ != nullptr) ++job_->record.failed;
  if (put == DeadLetters::Put::done) group_->rollup()->dead(type);
  put == DeadLetters::Put::full ? block(dying) : settle(dying);
  return true;
}

// The dead letters are full: the event waits beside them, and is settled.
void Cursor::block(Dying* dying) {
  blocked_.put(dying->offset, std::move(dying->attempts), dying->reason, dying->error);
  settle(dying);
}

void Cursor::settle(Dying* dying) {
  if (const auto& retry = dying->retry; retry != nullptr) {
    retry->due_us == RetryEntry::kNever ? blocked_.remove(*retry) : retries_.remove(*retry, group_);
  }
  settle(dying->offset, dying->end);
  key_over(dying->offset);
  if (dying->waiting != nullptr && --dying->waiting->dying == 0) group_->answer(*dying->waiting);
}

void Cursor::move_blocked() {
  const int64_t before = blocked_.count();
  blocked_.move();
  if (blocked_.count() != before) dirty_ = true;  // the row counts them
}

}  // namespace headrace::core

// What a cursor does for a job, beside what it does for lane 0.
#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/core/cursor.h"
#include "broker/core/job.h"

namespace headrace::core {

// What retention took of the log before it was delivered.
void Cursor::skip_gone() {
  if (job_ == nullptr) return skip_backlog(log_.log_start());
  const Offset to = std::min(log_.log_start(), end_);
  job_->record.expired += to - next_;
  settle(next_, to);
  next_ = to;
}

// What is read may leave out what neither the group nor the job wants.
void Cursor::choose_skips() {
  log_.skip_by(group_->wants_everything() ? nullptr : group_->filter(),
               job_ == nullptr || job_->wants_everything() ? nullptr : job_->filter());
  log_.wait_as(group_->options().priority, job_ == nullptr ? group_->slot() : Fetch::kNoSlot);
}

void Cursor::count(int64_t* batches) {
  choose_skips();
  for (; *batches > 0 && next_ < end_; --*batches) {
    const auto state = log_.seek(next_, true);
    if (state == LogReader::State::skipped) {
      const Offset to = std::min(log_.skipped_to(), end_);
      settle(next_, to);
      next_ = to;
      continue;
    }
    if (state == LogReader::State::gone) {
      skip_gone();
      continue;
    }
    if (state != LogReader::State::ready) break;
    BatchWalk& walk = log_.batch();
    const Offset to = std::min(walk.end(), end_);
    const Offset first = next_;
    for (; next_ < to; next_ = next_ + 1) {
      storage::RecordView record;
      std::string_view type;
      if (walk.at(next_, &record) != storage::BatchError::ok || !read_type(record, &type)) break;
      if (fate(walk, next_, {type, record}) == Fate::given) ++job_->record.matched;
    }
    next_ = to;
    settle(first, to);
  }
  rearm();
}

// How many first deliveries the job's rate lets go now.
int64_t Cursor::allowed(int64_t most) {
  if (job_ == nullptr) return most;
  most = std::min(most, job_->rate().allowed(ctx_->now().mono_us));
  rate_limited_ = most == 0;
  return most;
}

// One event that is not the next of the log: spot() holds it if it is ready.
LogReader::State Cursor::look(Offset offset, const RetryEntryPtr& retry) {
  spot_is_letter_ = retry != nullptr && retry->letter != 0;
  return spot_is_letter_ ? letters_->seek(retry->letter) : spot_.seek(offset, false);
}

// Retention took it before its next delivery: a dead letter without an event. A job has only seen
// less than it asked for.
void Cursor::expired(Offset first, const HeldRange& range) {
  if (job_ == nullptr) {
    return fail_piece(first, range,
                      {FailureReason::expired, "retention removed it", -1, true, nullptr});
  }
  job_->record.expired += range.events(first);
  if (range.retry != nullptr) retries_.remove(*range.retry, group_);
  settle(first, range.last + 1);
  key_over(first);
}

void Cursor::redrive(const DeadLetter& letter, int64_t due_us) {
  RetryEntry entry;
  entry.due_us = due_us;
  entry.offset = letter.offset;
  entry.attempt = 1;
  entry.letter = letter.sequence;
  retries_.put(std::move(entry), group_);
  touch();
}

void Cursor::abandon() {
  for (auto& [first, range] : held_.take_all()) returned(first, range);
  for (Dying& dying : dying_) {
    if (dying.waiting != nullptr && --dying.waiting->dying == 0) group_->answer(*dying.waiting);
  }
  dying_.clear();
  ctx_->disarm(this);
}

bool Cursor::finished() const {
  return settled_.floor() >= end_ && held_.empty() && again_.empty() && dying_.empty() &&
         retries_.count() == 0;
}

}  // namespace headrace::core

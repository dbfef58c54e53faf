#include "broker/core/cursor.h"

#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/core/job.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

constexpr size_t kSpotBatches = 64;  // of one answer with retries

LogReader::Key reader_key(const AckedGroup& group, PartitionId partition, LaneId lane, bool spot) {
  return {group.topic(), partition, group.fetch_origin(), Cursor::ticket(lane, spot)};
}

LaneId lane_of(const Job* job) {
  return job == nullptr ? LaneId(0) : job->record.lane;
}

}  // namespace

Cursor::Cursor(AckedGroup* group, PartitionId partition, Job* job, Offset end,
               const storage::SettledRow& row, uint64_t blocked, Ctx* ctx)
    : group_(group),
      partition_(partition),
      job_(job),
      lane_(lane_of(job)),
      end_(end),
      ctx_(ctx),
      settled_(row),
      next_(row.floor),
      retries_(group->topic()->partition(partition), group->record()->id, lane_,
               RetryQueue::Rows::parked, ctx, [this] { group_->pump(); }),
      blocked_(group, partition, lane_, ctx),
      log_(reader_key(*group, partition, lane_, false), ctx),
      spot_(reader_key(*group, partition, lane_, true), ctx) {
  if (job != nullptr && !job->has_log()) {
    letters_ = std::make_unique<LetterReader>(&group->dead_letters(), ctx, [this] { on_read(); });
  } else if (group->options().ordering == GroupOptions::Ordering::key) {
    keys_ = std::make_unique<KeyOrder>();
    if (row.parked > 0) keys_state_ = Keys::unread;
  }
  retries_.set_count(row.parked - std::min(row.parked, blocked));  // one set wrote both
  blocked_.set_count(blocked);
}

Cursor::~Cursor() {
  ctx_->disarm(this);
}

// ---- handing out

bool Cursor::fill(Acquire* acquire, uint32_t most) {
  acquire->partition = partition_;
  acquire->lane = lane_;
  if (!keys_ready()) return false;
  // A probe takes what has not failed yet before what has.
  const bool given =
      group_->health().probes()
          ? fill_again(acquire, most) || fill_log(acquire, most) || fill_retries(acquire, most)
          : fill_again(acquire, most) || fill_retries(acquire, most) || fill_log(acquire, most);
  bury();
  rearm();
  return given;
}

void Cursor::acquire_range(Acquire* acquire, Offset first, HeldRange range, uint32_t batch) {
  const Time& now = ctx_->now();
  range.member = acquire->member;
  range.deadline_mono_us = now.mono_us + group_->options().ack_deadline_us;
  range.started_mono_us = now.mono_us;
  range.started_wall_us = now.wall_us;
  acquire->acquired.push_back({first, range.last, range.attempt, batch});
  acquire->events += static_cast<uint32_t>(range.events(first));
  held_.hold(first, std::move(range));
}

bool Cursor::fill_again(Acquire* acquire, uint32_t most) {
  while (!again_.empty() && acquire->events < most) {
    auto at = again_.begin();
    if (!acquire->batches.empty() && (letters_ != nullptr || at->first >= spot_.batch().end())) {
      break;
    }
    const auto state = look(at->first, at->second.retry);
    if (state == LogReader::State::reading || state == LogReader::State::failed) break;
    auto [first, range] = std::move(*at);
    again_.erase(at);
    if (state == LogReader::State::gone) {
      again_events_ -= range.events(first);
      expired(first, range);
      continue;
    }
    if (acquire->batches.empty()) acquire->batches.push_back(spot().stored);
    if (range.types == nullptr) range.types = spot().types(*group_->rollup());
    HeldRange rest = range;
    range.last = std::min({range.last, spot().end() + -1,
                           first + (static_cast<int64_t>(most - acquire->events) - 1)});
    if (range.last < rest.last) again_.emplace(range.last + 1, std::move(rest));
    again_events_ -= range.events(first);
    acquire_range(acquire, first, std::move(range), 0);
  }
  return acquire->events > 0;
}

bool Cursor::is_given_back(Offset offset) const {
  auto after = again_.upper_bound(offset);
  return after != again_.begin() && std::prev(after)->second.last >= offset;
}

// A redrive has two letters of one event if the one that it took first was deleted before a
// restart: the event is out once at a time.
void Cursor::free_behind() {
  for (auto at = behind_.begin(); at != behind_.end();) {
    if (is_out(at->first)) {
      ++at;
      continue;
    }
    retries_.give_back(std::move(at->second));
    at = behind_.erase(at);
  }
}

bool Cursor::fill_retries(Acquire* acquire, uint32_t most) {
  free_behind();
  while (acquire->events < most && acquire->batches.size() < kSpotBatches) {
    RetryEntryPtr entry = retries_.take_due(ctx_->now().wall_us);
    if (entry == nullptr) break;
    if (entry->offset < expire_to_) {
      expire(std::move(entry));
      continue;
    }
    if (is_out(entry->offset)) {
      const Offset offset = entry->offset;
      behind_.emplace(offset, std::move(entry));
      continue;
    }
    const bool first_delivery = job_ != nullptr && entry->attempt == 1;  // of a redrive
    const auto state =
        first_delivery && allowed(1) < 1 ? LogReader::State::reading : look(entry->offset, entry);
    if (state == LogReader::State::reading || state == LogReader::State::failed) {
      retries_.give_back(std::move(entry));
      break;
    }
    if (first_delivery) job_->rate().spend(1);
    const Offset offset = entry->offset;
    HeldRange range;
    range.last = offset;
    range.attempt = entry->attempt;
    range.retry = std::move(entry);
    if (state == LogReader::State::ready) range.types = spot().type_at(offset, *group_->rollup());
    if (state == LogReader::State::gone) {
      expired(offset, range);
      continue;
    }
    const StoredBatch& stored = spot().stored;
    if (acquire->batches.empty() || acquire->batches.back().bytes.data() != stored.bytes.data()) {
      acquire->batches.push_back(stored);
    }
    acquire_range(acquire, offset, std::move(range),
                  static_cast<uint32_t>(acquire->batches.size() - 1));
  }
  return acquire->events > 0;
}

bool Cursor::window_full() const {
  return unsettled() >= group_->options().max_in_flight || dying_.size() >= limits::kDyingMax ||
         next_ - settled_.floor() >= limits::kWindowOffsets ||
         (keys_ != nullptr && retries_.count() >= limits::kKeyRowsMax);
}

bool Cursor::fill_log(Acquire* acquire, uint32_t most) {
  const Offset before = next_;
  while (!window_full()) {
    next_ = settled_.next_open(next_);
    if (next_ >= end_) break;
    most = static_cast<uint32_t>(allowed(most));
    if (most == 0) break;
    choose_skips();
    const auto state = log_.seek(next_, true);
    if (state == LogReader::State::skipped) {
      pass(std::min(log_.skipped_to(), end_));
      continue;
    }
    if (state == LogReader::State::gone) {
      skip_gone();
      continue;
    }
    if (state != LogReader::State::ready) break;
    const int64_t window = std::min<int64_t>(group_->options().max_in_flight - unsettled(),
                                             limits::kWindowOffsets - (next_ - settled_.floor()));
    fill_batch(acquire, std::min<int64_t>(most, window));
    if (job_ != nullptr) job_->rate().spend(acquire->events);
    if (acquire->events > 0) break;
  }
  // Nothing more was wanted to the end: the job is to see it.
  if (job_ != nullptr && next_ != before && finished()) touch();
  return acquire->events > 0;
}

// From the batch at hand: as far as `most` goes, or to its end.
void Cursor::fill_batch(Acquire* acquire, int64_t most) {
  BatchWalk& walk = log_.batch();
  const Offset walk_end = std::min(walk.end(), end_);
  const bool everything =
      wants_everything() && keys_ == nullptr && walk.stored.violations == nullptr;
  while (next_ < walk_end && acquire->events < most && dying_.size() < limits::kDyingMax) {
    const Offset open = settled_.next_open(next_);
    if (open != next_) {
      next_ = std::min(open, walk_end);
      continue;
    }
    if (everything) {
      const int64_t left = most - acquire->events;
      const Offset end = settled_.open_until(next_, std::min(walk_end, next_ + left));
      take_log(acquire, walk, end);
      continue;
    }
    storage::RecordView record;
    std::string_view type;
    if (walk.at(next_, &record) != storage::BatchError::ok || !read_type(record, &type)) {
      return give_up(walk);
    }
    const Fate fated = fate(walk, next_, {type, record});
    if (fated == Fate::passed) {
      pass(next_ + 1);
    } else if (fated == Fate::unwanted) {
      give_up_event(walk, {type, record});
    } else if (keys_ == nullptr) {
      take_log(acquire, walk, run_end(walk, most - acquire->events));
    } else if (window_full()) {
      return;
    } else if (may_go(record)) {
      take_log(acquire, walk, next_ + 1);
    } else {
      next_ = next_ + 1;
    }
  }
}

// Nothing from next_ to there is wanted: it is settled, and written when there is time.
void Cursor::pass(Offset to) {
  settled_.add(next_, to);
  if (lazy_since_mono_us_ < 0) lazy_since_mono_us_ = ctx_->now().mono_us;
  next_ = to;
}

// Where the run of events that the filter lets through ends; next_ is one of them.
Offset Cursor::run_end(BatchWalk& walk, int64_t most) {
  const Offset limit = settled_.open_until(next_, std::min({walk.end(), end_, next_ + most}));
  Offset end = next_ + 1;
  for (; end < limit; end = end + 1) {
    storage::RecordView record;
    std::string_view type;
    if (walk.at(end, &record) != storage::BatchError::ok || !read_type(record, &type)) break;
    if (fate(walk, end, {type, record}) != Fate::given) break;
  }
  return end;
}

// A replay gives what a member may have had the first time; the rest are dead letters already, and
// a redrive is the way to get them.
Cursor::Fate Cursor::fate(const BatchWalk& walk, Offset offset, const EventView& event) const {
  const auto outcome = group_->filter()->check(event).outcome;
  const bool other_version = outcome == Filter::Outcome::wrong_version && group_->buries_versions();
  if (outcome != Filter::Outcome::matches && !other_version) return Fate::passed;
  const bool unwanted = other_version || walk.violation(offset) != nullptr;
  if (job_ == nullptr) return unwanted ? Fate::unwanted : Fate::given;
  return unwanted || !job_->filter()->matches(event) ? Fate::passed : Fate::given;
}

bool Cursor::wants_everything() const {
  return group_->wants_everything() && (job_ == nullptr || job_->wants_everything());
}

void Cursor::take_log(Acquire* acquire, BatchWalk& walk, Offset end) {
  if (acquire->batches.empty()) acquire->batches.push_back(walk.stored);
  HeldRange range;
  range.last = end + -1;
  range.types = walk.types(*group_->rollup());
  acquire_range(acquire, next_, std::move(range), 0);
  next_ = end;
}

// A batch that cannot be read is one dead letter, whole; its events are settled.
void Cursor::give_up(const BatchWalk& walk) {
  const Offset end = std::min(walk.end(), end_);
  dying_.push_back(
      {next_, end, {}, FailureReason::undecodable, std::string(kUndecodable), nullptr, nullptr});
  next_ = end;
}

// The event at next_, in lane 0. It was not tried, so health does not count it.
void Cursor::give_up_event(const BatchWalk& walk, const EventView& event) {
  Dying dying{next_, next_ + 1, {}, FailureReason::schema_violation, {}, nullptr, nullptr};
  if (const auto* violation = walk.violation(next_)) {
    dying.error = violation->text.empty() ? std::string(kViolatesSchema) : violation->text;
  } else {
    dying.reason = FailureReason::schema_version;
    dying.error = group_->filter()->version_mismatch(event.record);
  }
  dying_.push_back(std::move(dying));
  next_ = next_ + 1;
}

// ---- bookkeeping

// Of a redrive only the parked rows say what is left.
void Cursor::settle(Offset first, Offset end) {
  if (job_ == nullptr || job_->has_log()) settled_.add(first, end);
  touch();
}

void Cursor::touch() {
  dirty_ = true;
  if (job_ != nullptr) job_->dirty = true;
  group_->mark_dirty();
}

void Cursor::returned(Offset first, const HeldRange& range) {
  group_->on_returned(lane_, range.member, range.events(first));
}

void Cursor::write_row() {
  if (!dirty_) return;
  dirty_ = false;
  lazy_since_mono_us_ = -1;
  const auto row = settled_.row(retries_.count() + static_cast<uint64_t>(blocked_.count()));
  ctx_->writes(group_).put(
      {storage::Table::offsets, Month(0), group_->topic()->tenant},
      storage::offsets_key(group_->topic()->partition(partition_), group_->record()->id, lane_),
      row.encode());
}

void Cursor::on_fetched(Fetch& fetch) {
  if (blocked_.owns(fetch)) return blocked_.on_fetched(fetch);
  // Answered within the call that asked: whoever asked goes on.
  if (!(log_.owns(fetch) ? log_ : spot_).on_fetched(fetch)) return;
  on_read();
}

// Nobody asks for events, and the position passes over what the group does not want: else it would
// seem to have something to do.
void Cursor::follow() {
  if (job_ != nullptr || group_->has_members() || next_ >= end_) return;
  if (next_ >= log_.skipped_to()) return;  // it was given events, or could not be read
  choose_skips();
  while (next_ < end_ && log_.seek(next_, true) == LogReader::State::skipped) {
    pass(std::min(log_.skipped_to(), end_));
    next_ = settled_.next_open(next_);
  }
}

void Cursor::on_read() {
  follow();
  bury();
  rearm();
  group_->pump();
  if (job_ != nullptr) group_->advance_jobs();
}

void Cursor::expire(Time now) {
  while (held_.next_deadline_mono_us() <= now.mono_us && group_->may_expire()) {
    auto piece = held_.take_expired(now.mono_us);
    if (!piece) return;
    auto& [first, range] = *piece;
    group_->note_expired(range.events(first));
    returned(first, range);
    if (group_->health().counts(range.started_mono_us)) {
      fail_piece(first, range,
                 {FailureReason::timeout, "no outcome before the deadline", -1, false, nullptr});
    } else {
      give_back(first, std::move(range));
    }
  }
}

void Cursor::on_timer(Time now) {
  expire(now);
  bury();
  if (lazy_since_mono_us_ >= 0 && now.mono_us >= lazy_since_mono_us_ + limits::kLazyFloorUs) {
    touch();
    lazy_since_mono_us_ = -1;
  }
  rate_limited_ = false;
  rearm();
  group_->pump();
  if (job_ != nullptr) group_->advance_jobs();
}

void Cursor::rearm() {
  const Time& now = ctx_->now();
  int64_t next = held_.next_deadline_mono_us();
  // What is due already waits for a member, not for a time.
  const int64_t due_us = retries_.next_due_us();
  if (due_us != INT64_MAX && due_us > now.wall_us && group_->may_deliver()) {
    next = std::min(next, now.mono_us + (due_us - now.wall_us));
  }
  if (lazy_since_mono_us_ >= 0) next = std::min(next, lazy_since_mono_us_ + limits::kLazyFloorUs);
  const bool letters_failed = letters_ != nullptr && letters_->failed();
  const bool keys_failed = keys_state_ == Keys::failed;
  if (log_.error() || spot_.error() || blocked_.error() || letters_failed || keys_failed) {
    next = std::min(next, now.mono_us + LogReader::kReadAgainUs);
  }
  if (rate_limited_ && group_->may_deliver()) next = std::min(next, job_->rate().ready_us());
  if (next == INT64_MAX) {
    ctx_->disarm(this);
  } else {
    ctx_->arm(this, next);
  }
}

}  // namespace headrace::core

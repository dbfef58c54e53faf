#include "broker/core/job.h"

#include <algorithm>

#include "broker/core/acked_group.h"

namespace headrace::core {

Job::Job(JobRecord job_record, AckedGroup* group, Ctx* ctx)
    : record(std::move(job_record)), group_(group), ctx_(ctx), rate_(record.rate) {
  auto filter = std::make_shared<Filter>();
  const Error error = has_log() ? compile_replay_filter(record, filter.get())
                                : LetterFilter::compile(record.conditions, &letter_filter_);
  HR_CHECK(!error);  // checked when it was started
  filter_ = std::move(filter);
  if (!has_log() && record.open()) record.scanned = record.matched = 0;  // the scan begins again
}

void Job::open(const Rows& rows) {
  auto add = [&](PartitionId partition, Offset from, Offset to) {
    auto row = rows.find({record.lane, partition});
    cursors.push_back(std::make_unique<Cursor>(
        group_, partition, this, to,
        row == rows.end() ? storage::SettledRow{from, {}, 0} : row->second, 0, ctx_));
    if (row == rows.end() && has_log()) cursors.back()->touch();
  };
  for (const JobRange& range : record.ranges) add(range.partition, range.from, range.to);
  for (uint32_t i = 0; !has_log() && i < group_->topic()->partitions; ++i) {
    add(PartitionId(i), Offset(0), Offset(0));
  }
  running_since_us = ctx_->now().wall_us;
  settled_before = settled_events();
}

Cursor* Job::cursor(PartitionId partition) const {
  for (const auto& cursor : cursors) {
    if (cursor->partition() == partition) return cursor.get();
  }
  return nullptr;
}

int64_t Job::range_events() const {
  int64_t events = 0;
  for (const JobRange& range : record.ranges) events += range.to - range.from;
  return events;
}

int64_t Job::read_events() const {
  int64_t events = 0;
  for (const JobRange& range : record.ranges) {
    const Cursor* at = cursor(range.partition);
    if (at != nullptr) events += std::min(at->next(), range.to) - range.from;
  }
  return events;
}

int64_t Job::settled_events() const {
  int64_t events = 0;
  for (const JobRange& range : record.ranges) {
    const Cursor* at = cursor(range.partition);
    if (at != nullptr) events += std::min(at->floor(), range.to) - range.from;
  }
  return events;
}

int64_t Job::outstanding() const {
  int64_t events = 0;
  for (const auto& cursor : cursors) {
    // What is held, given back or dying of a redrive has its parked row still.
    events += cursor->parked();
    if (has_log()) events += cursor->unparked() + cursor->waiting();
  }
  return events;
}

bool Job::finished() const {
  if (record.state != JobState::running || (!has_log() && !scanned_all)) return false;
  return std::all_of(cursors.begin(), cursors.end(),
                     [](const auto& cursor) { return cursor->finished(); });
}

JobStats Job::stats(int64_t now_us) const {
  JobStats stats;
  stats.record = record;
  JobRecord& as_of_now = stats.record;
  stats.delivered = record.acked + record.failed;
  if (!record.open()) {
    const int64_t all = range_events();
    stats.percent = record.state == JobState::completed ? 100
                    : all == 0
                        ? 0
                        : 100 * static_cast<double>(record.scanned) / static_cast<double>(all);
    return stats;
  }
  if (has_log()) as_of_now.scanned = read_events();
  if (!record.dry_run) as_of_now.matched = record.acked + record.failed + outstanding();
  for (const auto& cursor : cursors) {
    stats.delivered += has_log() ? cursor->unparked() + cursor->parked() - cursor->waiting_parked()
                                 : cursor->in_flight();
  }
  const int64_t all = has_log() ? range_events() : as_of_now.matched;
  const int64_t done = has_log() ? settled_events() : record.acked + record.failed + record.expired;
  if (all <= 0) return stats;
  stats.percent = std::min(99.9, 100 * static_cast<double>(done) / static_cast<double>(all));
  const double since_s =
      static_cast<double>(now_us - running_since_us) / static_cast<double>(kMicrosPerSecond);
  const auto progress = static_cast<double>(done - settled_before);
  if (record.state == JobState::running && progress > 0 && since_s > 0) {
    stats.eta_seconds = static_cast<double>(all - done) * since_s / progress;
  } else if (record.state == JobState::running && record.rate > 0) {
    stats.eta_seconds = static_cast<double>(all - done) / record.rate;
  }
  return stats;
}

void Job::write_rows() {
  dirty = false;
  for (auto& cursor : cursors) cursor->write_row();
  const TopicPtr& topic = group_->topic();
  ctx_->writes(group_).put(
      storage::state_place(topic->tenant),
      storage::job_key(topic->tenant, topic->id, SliceId(0), group_->record()->id, record.lane),
      record.encode());
}

void Job::end(JobState state) {
  const int64_t now_us = ctx_->now().wall_us;
  const JobStats last = stats(now_us);
  record.scanned = last.record.scanned;
  record.matched = last.record.matched;
  record.state = state;
  record.ended_us = now_us;
  const TopicPtr& topic = group_->topic();
  for (auto& cursor : cursors) {
    cursor->abandon();
    ctx_->writes(group_).remove({storage::Table::offsets, Month(0), topic->tenant},
                                storage::offsets_key(topic->partition(cursor->partition()),
                                                     group_->record()->id, record.lane));
  }
  cursors.clear();
  taken.clear();
  dirty = true;
  group_->mark_dirty();
}

}  // namespace headrace::core

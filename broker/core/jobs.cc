#include "broker/core/jobs.h"

#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/limits.h"
#include "metrics/log.h"

namespace headrace::core {

// ---- loading

bool Jobs::load(std::string_view key, std::string_view value) {
  auto record = decode_job(key, value);
  if (!record) return false;
  const LaneId lane = record->lane;
  jobs_[lane] = std::make_unique<Job>(std::move(*record), group_, ctx_);
  return true;
}

void Jobs::open(const Job::Rows& rows) {
  for (auto& [lane, job] : jobs_) {
    // Queued: it may have been running before it was paused, and goes on from there.
    if (job->record.open()) job->open(rows);
  }
}

// ---- what people ask

namespace {

Error wrong_in_job(std::string_view field, std::string_view why) {
  return {ErrorCode::invalid_request, std::string(field) + ": " + std::string(why)};
}

}  // namespace

Error Jobs::check(const StartJob& request) const {
  if (Error error = check_rate(request.rate)) return error;
  const auto open = std::count_if(jobs_.begin(), jobs_.end(),
                                  [](const auto& entry) { return entry.second->record.open(); });
  if (static_cast<size_t>(open) + starting_.size() >= limits::kJobsOpen) {
    return {ErrorCode::limit_reached, std::to_string(limits::kJobsOpen) + " open jobs of group " +
                                          group_->record()->name + ": cancel some"};
  }
  return request.kind == JobKind::replay ? check_replay(request) : check_redrive(request);
}

Error Jobs::check_replay(const StartJob& request) const {
  JobRecord record;
  record.filters = request.filters;
  record.conditions = request.conditions;
  Filter filter;
  if (Error error = compile_replay_filter(record, &filter)) return error;
  const bool offsets = request.from_offset.value() >= 0 || request.to_offset.value() >= 0;
  if (offsets == request.from_time.has_value()) {
    return wrong_in_job("from", "either a time or offsets");
  }
  if (!offsets) {
    if (request.partition) return wrong_in_job("partition", "only with offsets");
    if (request.from_time->value() < 0) return wrong_in_job("from", "a time before 1970");
    if (request.to_time && request.to_time->value() <= request.from_time->value()) {
      return wrong_in_job("to", "must be after from");
    }
    return {};
  }
  if (request.to_time) return wrong_in_job("to", "a time with offsets");
  if (request.from_offset.value() < 0) return wrong_in_job("from_offset", "is missing");
  if (request.to_offset <= request.from_offset) {
    return wrong_in_job("to_offset", "is missing, or before from_offset");
  }
  const uint32_t partitions = group_->topic()->partitions;
  if (!request.partition && partitions > 1) {
    return wrong_in_job("partition", "the topic has " + std::to_string(partitions) + ": say which");
  }
  if (request.partition && request.partition->value() >= partitions) {
    return {ErrorCode::unknown_partition, "partition: the topic has " + std::to_string(partitions) +
                                              ", asked for " +
                                              std::to_string(request.partition->value())};
  }
  return {};
}

Error Jobs::check_redrive(const StartJob& request) const {
  const int ways = (request.all ? 1 : 0) + (request.letters.empty() ? 0 : 1) +
                   (request.conditions.empty() ? 0 : 1);
  if (ways != 1) return wrong_in_job("ids", "either ids, or conditions, or all");
  if (request.letters.size() > limits::kJobLetters) {
    return wrong_in_job("ids", "at most " + std::to_string(limits::kJobLetters));
  }
  LetterFilter filter;
  return LetterFilter::compile(request.conditions, &filter);
}

// Owns itself until the rows are there; the group may be gone by then.
struct Jobs::CheckLetters final : storage::Read {
  void run() override {
    std::unique_ptr<CheckLetters> self(this);
    auto alive = group.lock();
    if (alive == nullptr || alive->state() != AckedGroup::State::ready) {
      request->error = Error(ErrorCode::unknown_group, request->group->name + " was deleted");
      return ctx->reply(std::move(request));
    }
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "reading dead letters");
      return ctx->reply(std::move(request));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].found) continue;
      request->error = Error(ErrorCode::unknown_dead_letter,
                             "ids[" + std::to_string(i) + "]: " + request->group->name + "@" +
                                 std::to_string(request->letters[i]));
      return ctx->reply(std::move(request));
    }
    jobs->create(std::move(request), {});
  }
  Ctx* ctx = nullptr;
  Jobs* jobs = nullptr;  // while the group lives
  std::weak_ptr<AckedGroup> group;
  std::unique_ptr<StartJob> request;
};

void Jobs::start(std::unique_ptr<StartJob> request) {
  if (Error error = check(*request)) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  if (request->kind == JobKind::replay) {
    const uint32_t ticket = ++tickets_;
    Starting& starting = starting_[ticket];
    starting.partition = request->partition ? request->partition->value() : 0;
    starting.end = request->from_time ? group_->topic()->partitions : starting.partition + 1;
    starting.request = std::move(request);
    return look_up(ticket);
  }
  if (request->letters.empty()) return create(std::move(request), {});
  auto* read = new CheckLetters;
  for (const uint64_t letter : request->letters) {
    read->items.push_back(
        {group_->dead_letters().place(), group_->dead_letters().key_of(letter), {}, false});
  }
  read->ctx = ctx_;
  read->jobs = this;
  read->group = group_->weak_from_this();
  read->request = std::move(request);
  read->sink = ctx_->sink();
  ctx_->store().read(read);
}

// ---- the range of a replay

// Asks for the next bound that is not known; an answer may come within the call.
void Jobs::look_up(uint32_t ticket) {
  Starting& starting = starting_.at(ticket);
  const StartJob& wanted = *starting.request;
  if (starting.partition == starting.end) {
    auto node = starting_.extract(ticket);
    return create(std::move(node.mapped().request), std::move(node.mapped().ranges));
  }
  if (!starting.from_known) {
    starting.ranges.push_back({PartitionId(starting.partition), wanted.from_offset, Offset(0)});
  }
  auto request = std::make_unique<ListOffsets>(Access::node(group_->topic()->tenant));
  request->topic = group_->topic();
  request->shard = group_->topic()->shard;
  request->partition = PartitionId(starting.partition);
  request->origin = group_->fetch_origin();
  request->ticket = ticket;
  request->at = Latest{};
  if (wanted.from_time && !starting.from_known) {
    request->at = *wanted.from_time;
  } else {
    starting.from_known = true;
    if (wanted.to_time) request->at = *wanted.to_time;
  }
  ctx_->submit(std::move(request));
}

void Jobs::on_position(ListOffsets& found) {
  auto at = starting_.find(found.ticket);
  if (at == starting_.end()) return;
  Starting& starting = at->second;
  JobRange& range = starting.ranges.back();
  const bool is_end = starting.from_known;
  if (!is_end) range.from = found.offset;
  if (is_end) range.to = found.offset;
  if (is_end && !starting.request->from_time) {
    range.to = std::min(range.to, starting.request->to_offset);
    if (!found.error && range.from >= found.offset) {
      found.error = wrong_in_job("from_offset",
                                 "the partition ends at " + std::to_string(found.offset.value()));
    }
  }
  if (found.error) {
    auto node = starting_.extract(at);
    node.mapped().request->error = found.error;
    return ctx_->reply(std::move(node.mapped().request));
  }
  range.to = std::max(range.to, range.from);
  starting.from_known = !is_end;
  if (is_end) ++starting.partition;
  look_up(found.ticket);
}

// ---- the life of a job

// The newest row is never removed before older ones of its kind, so numbers are not used again.
void Jobs::create(std::unique_ptr<StartJob> request, std::vector<JobRange> ranges) {
  JobRecord record;
  record.lane = LaneId(jobs_.empty() ? 1 : jobs_.rbegin()->first.value() + 1);
  record.kind = request->kind;
  record.dry_run = request->dry_run;
  record.ranges = std::move(ranges);
  record.filters = request->filters;
  record.conditions = request->conditions;
  record.letters = request->letters;
  record.letters_end = group_->dead_letters().next();
  record.rate = request->rate;
  record.created_us = ctx_->now().wall_us;
  const LaneId lane = record.lane;
  Job& job = *(jobs_[lane] = std::make_unique<Job>(std::move(record), group_, ctx_));
  mark(job);
  start_queued();
  log::info("a job was started", {{"group", group_->record()->name},
                                  {"job", lane.value()},
                                  {"kind", to_string(job.record.kind)}});
  note(request->tenant, AuditAction::job_created, job.record);
  request->job = job.stats(ctx_->now().wall_us);
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void Jobs::note(const TenantContext& who, AuditAction action, const JobRecord& job) {
  std::string about(to_string(job.kind));
  if (job.dry_run) about += ", dry run";
  for (const std::string& filter : job.filters) about += ", " + filter;
  for (const std::string& condition : job.conditions) about += ", " + condition;
  if (!job.letters.empty()) about += ", " + std::to_string(job.letters.size()) + " by id";
  ctx_->audit().note(who, {action,
                           "job " + group_->record()->name + "/" + std::to_string(job.lane.value()),
                           std::move(about),
                           {}});
}

void Jobs::start_queued() {
  auto running = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
    return entry.second->record.state == JobState::running;
  });
  for (auto& [lane, job] : jobs_) {
    if (static_cast<size_t>(running) >= limits::kJobsRunning) return;
    if (job->record.state != JobState::queued) continue;
    job->record.state = JobState::running;
    if (job->record.started_us == 0) job->record.started_us = ctx_->now().wall_us;
    if (job->cursors.empty()) job->open({});
    mark(*job);
    ++running;
  }
}

void Jobs::list(std::unique_ptr<ListJobs> request) const {
  const int64_t now_us = ctx_->now().wall_us;
  for (auto at = jobs_.rbegin(); at != jobs_.rend(); ++at) {
    if (request->only != LaneId(0) && request->only != at->first) continue;
    request->jobs.push_back(at->second->stats(now_us));
  }
  if (request->only != LaneId(0) && request->jobs.empty()) {
    request->error = Error(ErrorCode::unknown_job,
                           group_->record()->name + "/" + std::to_string(request->only.value()));
  }
  // Nobody is told of a job, or of its end, before that is durable.
  ctx_->reply_committed(std::move(request), group_->touched_sequence);
}

void Jobs::control(std::unique_ptr<ControlJob> request) {
  auto at = jobs_.find(request->lane);
  if (at == jobs_.end()) {
    request->error = Error(ErrorCode::unknown_job,
                           group_->record()->name + "/" + std::to_string(request->lane.value()));
    return ctx_->reply(std::move(request));
  }
  Job& job = *at->second;
  const JobState before = job.record.state;
  if (Error error = act(job, request->action)) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  if (job.record.state != before) {
    const bool cancels = request->action == ControlJob::Action::cancel;
    const bool pauses = request->action == ControlJob::Action::pause;
    note(request->tenant,
         cancels  ? AuditAction::job_cancelled
         : pauses ? AuditAction::job_paused
                  : AuditAction::job_resumed,
         job.record);
  }
  request->job = job.stats(ctx_->now().wall_us);
  ctx_->reply_committed(std::move(request), Durability::durable);
  group_->pump();
}

// What is so already is done.
Error Jobs::act(Job& job, ControlJob::Action action) {
  JobRecord& record = job.record;
  const bool cancels = action == ControlJob::Action::cancel;
  if (cancels && record.state == JobState::cancelled) return {};
  if (!record.open()) {
    return wrong_in_job("action", "the job is " + std::string(to_string(record.state)));
  }
  if (cancels) {
    cancel(job);
  } else if (action == ControlJob::Action::pause) {
    record.state = JobState::paused;
  } else if (record.state == JobState::paused) {
    record.state = JobState::queued;
    job.running_since_us = ctx_->now().wall_us;
    job.settled_before = job.settled_events();
  }
  mark(job);
  start_queued();
  return {};
}

// Parked rows of a replay go at once; those of a redrive say which letters are to be given back.
void Jobs::cancel(Job& job) {
  job.end(JobState::cancelled);
  const TopicPtr& topic = group_->topic();
  if (!job.has_log()) {
    job.record.unwinding = !job.record.dry_run;
    job.stepping = false;
    ++job.step;  // what is being read comes too late
    return;
  }
  for (const JobRange& range : job.record.ranges) {
    const auto prefix = storage::retry_prefix(topic->partition(range.partition),
                                              group_->record()->id, job.record.lane);
    ctx_->writes(group_).remove_range({storage::Table::retry, Month(0), topic->tenant}, prefix,
                                      prefix.after_prefix());
  }
}

void Jobs::mark(Job& job) {
  job.dirty = true;
  group_->mark_dirty();
  job.waits_for = ctx_->sequence();
}

bool Jobs::end_finished() {
  bool ended = false;
  for (auto& [lane, job] : jobs_) {
    if (!job->dirty || !job->finished()) continue;
    job->end(JobState::completed);
    ended = true;
    note(Access::node(group_->topic()->tenant), AuditAction::job_completed, job->record);
    log::info("a job is completed", {{"group", group_->record()->name}, {"job", lane.value()}});
  }
  return ended;
}

void Jobs::seal() {
  while (end_finished()) start_queued();  // one that was paused may have nothing left to do
  for (auto& [lane, job] : jobs_) {
    if (job->dirty) job->write_rows();
  }
  forget_old();
}

void Jobs::forget_old() {
  size_t completed = 0;
  size_t others = 0;
  for (auto at = jobs_.end(); at != jobs_.begin();) {
    --at;
    const JobRecord& record = at->second->record;
    if (record.open() || record.unwinding) continue;
    size_t& kept = record.state == JobState::completed ? completed : others;
    if (++kept <= limits::kJobsKept) continue;
    auto old = at++;
    forget(old);
  }
}

void Jobs::forget(std::map<LaneId, std::unique_ptr<Job>>::iterator at) {
  const TopicPtr& topic = group_->topic();
  ctx_->writes(group_).remove(
      storage::state_place(topic->tenant),
      storage::job_key(topic->tenant, topic->id, SliceId(0), group_->record()->id, at->first));
  jobs_.erase(at);
}

void Jobs::close(const Error& error) {
  ctx_->disarm(this);
  jobs_.clear();
  for (auto& [ticket, starting] : std::exchange(starting_, {})) {
    starting.request->error = error;
    ctx_->reply(std::move(starting.request));
  }
}

// ---- deliveries

Cursor* Jobs::cursor(PartitionId partition, LaneId lane) const {
  auto at = jobs_.find(lane);
  return at == jobs_.end() ? nullptr : at->second->cursor(partition);
}

bool Jobs::fill(Acquire* acquire, uint32_t most) {
  std::vector<Job*> running;
  for (auto& [lane, job] : jobs_) {
    if (job->record.state != JobState::running || job->record.dry_run) continue;
    if (job->waits_for <= ctx_->committed_sequence()) running.push_back(job.get());
  }
  for (size_t i = 0; i < running.size(); ++i) {
    Job& job = *running[next_job_++ % running.size()];
    for (size_t n = 0; n < job.cursors.size(); ++n) {
      Cursor& cursor = *job.cursors[job.next_cursor++ % job.cursors.size()];
      if (cursor.fill(acquire, most)) return true;
    }
  }
  return false;
}

void Jobs::release_member(uint64_t member) {
  for (auto& [lane, job] : jobs_) {
    for (auto& cursor : job->cursors) cursor->release_member(member);
  }
}

}  // namespace headrace::core

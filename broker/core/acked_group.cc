#include "broker/core/acked_group.h"

#include <algorithm>

#include "broker/core/cast.h"
#include "broker/core/rollups.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "records.pb.h"

namespace headrace::core {

AckedGroup::AckedGroup(GroupPtr record, TopicPtr topic, std::shared_ptr<Matcher> matcher, Ctx* ctx,
                       TurnShares* turns, std::vector<AckedGroup*>* changed)
    : record_(std::move(record)),
      topic_(std::move(topic)),
      ctx_(ctx),
      matcher_(std::move(matcher)),
      rollup_(ctx->rollups().of(topic_)),
      dead_letters_(record_, topic_, ctx, this,
                    [this] {
                      mark_dirty();
                      pump();
                      advance_jobs();
                    }),
      jobs_(this, ctx),
      explainer_(this, ctx),
      search_(this, ctx),
      held_(topic_->tenant, ctx, turns, [this] { pump(); }),
      changed_(changed) {
  adopt(record_);
}

AckedGroup::~AckedGroup() {
  matcher_->remove(*slot_);
  ctx_->disarm(this);
  for (Waiting& waiting : waiting_) ctx_->disarm(&waiting);
}

void AckedGroup::adopt(const GroupPtr& record) {
  const bool newer = record->version > record_->version;
  if (slot_ && !newer) return;
  record_ = record;
  dead_letters_.adopt(record);
  auto filter = std::make_shared<Filter>();
  const Error error = compile_filter(record_->options, filter.get());
  HR_CHECK(!error);  // checked when it was declared
  filter_ = std::move(filter);
  if (slot_) matcher_->remove(*slot_);
  slot_ = matcher_->add(*filter_);
  wants_everything_ = record_->options.filters.empty() && filter_->only_types();
  if (!newer || state_ != State::ready) return;
  mark_dirty();
  pump();  // a larger quota
}

void AckedGroup::handle(RequestPtr request) {
  switch (request->kind) {
    case Request::Kind::attach_member:
      return attach(cast<AttachMember>(std::move(request)));
    case Request::Kind::detach_member:
      return detach(cast<DetachMember>(std::move(request)));
    case Request::Kind::acquire:
      return acquire(cast<Acquire>(std::move(request)));
    case Request::Kind::settle:
      return settle(cast<Settle>(std::move(request)));
    case Request::Kind::set_group_state:
      return set_state(cast<SetGroupState>(std::move(request)));
    case Request::Kind::list_dead_letters:
      return dead_letters_.list(cast<ListDeadLetters>(std::move(request)));
    case Request::Kind::delete_dead_letters:
      return dead_letters_.remove(cast<DeleteDeadLetters>(std::move(request)));
    case Request::Kind::start_job:
      return jobs_.start(cast<StartJob>(std::move(request)));
    case Request::Kind::list_jobs:
      return jobs_.list(cast<ListJobs>(std::move(request)));
    case Request::Kind::control_job:
      return jobs_.control(cast<ControlJob>(std::move(request)));
    case Request::Kind::explain_event:
      return explainer_.explain(cast<ExplainEvent>(std::move(request)));
    case Request::Kind::search_group:
      return search_.begin(cast<SearchGroup>(std::move(request)));
    default:
      HR_UNREACHABLE("not a request of an acked group");
  }
}

// ---- members

void AckedGroup::attach(std::unique_ptr<AttachMember> request) {
  if (members_.size() >= limits::kMembersPerGroup) {
    request->error = Error(ErrorCode::limit_reached,
                           std::to_string(limits::kMembersPerGroup) + " members in one group");
    return ctx_->reply(std::move(request));
  }
  // Unique without randomness: the epoch rises with every load of the shard.
  Member member;
  member.id = uint64_t{ctx_->epoch().value()} << 32 | ++members_named_;
  member.client = request->client;
  member.window =
      request->window_events == 0 ? limits::kMemberWindowDefault : request->window_events;
  member.window = std::min(member.window, limits::kMemberWindowMax);
  request->member = member.id;
  request->ack_deadline_us = options().ack_deadline_us;
  members_.emplace(member.id, std::move(member));
  ctx_->reply(std::move(request));
}

void AckedGroup::detach(std::unique_ptr<DetachMember> request) {
  const uint64_t member = request->member;
  if (members_.erase(member) == 0) {
    request->error = Error(ErrorCode::unknown_member, record_->name);
    return ctx_->reply(std::move(request));
  }
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    Waiting& waiting = *at++;
    if (waiting.request->member == member) expire(&waiting);
  }
  for (auto& cursor : cursors_) cursor->release_member(member);
  jobs_.release_member(member);
  ctx_->reply(std::move(request));
  pump();
}

std::string AckedGroup::member_name(uint64_t member) const {
  auto known = members_.find(member);
  const std::string number =
      std::to_string(member >> 32) + "-" + std::to_string(member & UINT32_MAX);
  return known == members_.end() ? number : known->second.client + " " + number;
}

void AckedGroup::on_returned(LaneId lane, uint64_t member, int64_t events) {
  held_.add(-events);
  auto known = members_.find(member);
  if (known == members_.end()) return;
  known->second.held -= events;
  if (lane != LaneId(0)) known->second.held_of_jobs -= events;
}

// ---- deliveries

void AckedGroup::acquire(std::unique_ptr<Acquire> request) {
  if (!members_.contains(request->member)) {
    request->error = Error(ErrorCode::unknown_member, record_->name);
    return ctx_->reply(std::move(request));
  }
  if (waiting_.size() >= 2 * limits::kMembersPerGroup) {
    request->error = Error(ErrorCode::busy, "too many requests wait for " + record_->name);
    return ctx_->reply(std::move(request));
  }
  Waiting& waiting = waiting_.emplace_back();
  waiting.group = this;
  waiting.self = std::prev(waiting_.end());
  waiting.request = std::move(request);
  ctx_->arm(&waiting, waiting.request->deadline_mono_us);
  pump();
}

void AckedGroup::expire(Waiting* waiting) {
  ctx_->disarm(waiting);
  auto request = std::move(waiting->request);
  waiting_.erase(waiting->self);
  ctx_->reply(std::move(request));
}

// Reads answer within the call when the tail has them, so what they bring comes back here while
// this runs: only the outermost call works.
void AckedGroup::pump() {
  if (pumping_ || state_ != State::ready) return;
  pumping_ = true;
  move_blocked();
  for (auto at = waiting_.begin(); at != waiting_.end() && may_deliver();) {
    Waiting& waiting = *at++;
    if (!serve(*waiting.request)) continue;
    expire(&waiting);
  }
  pumping_ = false;
}

bool AckedGroup::serve(Acquire& request) {
  auto known = members_.find(request.member);
  if (known == members_.end()) return false;
  Member& member = known->second;
  int64_t most = std::min<int64_t>(request.max_events, int64_t{member.window} - member.held);
  if (most > 0) most = std::min(most, held_.room());
  if (health_.probes()) most = probe_out() ? 0 : std::min<int64_t>(most, 1);
  if (most <= 0) return false;
  for (size_t i = 0; i < cursors_.size(); ++i) {
    Cursor& cursor = *cursors_[next_cursor_++ % cursors_.size()];
    if (!cursor.fill(&request, static_cast<uint32_t>(most))) continue;
    handed_out(request, member);
    return true;
  }
  return serve_job(request, member);
}

// Jobs get what the live lane leaves over, of at most half of the member's window; nothing while
// an event that fails for the last time would not find space among the dead letters. One of theirs
// is the probe if nothing live is there for it: what is redriven once the handler works again must
// not wait for somebody to publish.
bool AckedGroup::serve_job(Acquire& request, Member& member) {
  if (!takes_letters()) return false;
  const int64_t half = (int64_t{member.window} + 1) / 2;
  int64_t most = std::min({int64_t{request.max_events}, int64_t{member.window} - member.held,
                           half - member.held_of_jobs, held_.room()});
  if (health_.probes()) most = std::min<int64_t>(most, 1);
  if (most <= 0 || !jobs_.fill(&request, static_cast<uint32_t>(most))) return false;
  member.held_of_jobs += request.events;
  handed_out(request, member);
  return true;
}

bool AckedGroup::probe_out() {
  if (!probe_) return false;
  const Cursor* at = cursor(probe_->partition, probe_->lane);
  if (at == nullptr || !at->holds(probe_->offset)) probe_.reset();
  return probe_.has_value();
}

void AckedGroup::handed_out(Acquire& request, Member& member) {
  if (health_.probes()) {
    probe_ = {request.partition, request.lane, request.acquired.front().first};
  }
  member.held += request.events;
  held_.add(request.events);
  held_.spend_turn(request.events);
  delivered_ += request.events;
  request.ack_deadline_us = options().ack_deadline_us;
  metrics::add(metrics::Counter::group_deliveries, request.events);
}

// ---- outcomes

Cursor* AckedGroup::cursor(PartitionId partition, LaneId lane) {
  if (lane != LaneId(0)) return jobs_.cursor(partition, lane);
  if (partition.value() >= cursors_.size()) return nullptr;
  return cursors_[partition.value()].get();
}

void AckedGroup::settle(std::unique_ptr<Settle> request) {
  auto pending = std::make_shared<PendingSettle>();
  pending->request = std::move(request);
  pending->dying = 1;  // this call
  for (auto& outcome : pending->request->outcomes) outcome.refused = apply(outcome, pending);
  if (--pending->dying == 0) answer(*pending);
  pump();
}

void AckedGroup::answer(PendingSettle& waiting) {
  const auto& outcomes = waiting.request->outcomes;
  const bool durable = std::any_of(outcomes.begin(), outcomes.end(), [](const auto& outcome) {
    return !outcome.refused && outcome.verdict != Verdict::extend &&
           outcome.verdict != Verdict::release;
  });
  if (!durable) return ctx_->reply(std::move(waiting.request));
  ctx_->reply_committed(std::move(waiting.request), Durability::durable);
}

Error AckedGroup::apply(Settle::Outcome& outcome, const PendingSettlePtr& pending) {
  Cursor* at = cursor(outcome.partition, outcome.lane);
  if (at == nullptr && outcome.lane != LaneId(0)) {
    return Error(ErrorCode::stale_delivery,
                 "the job of lane " + std::to_string(outcome.lane.value()) + " has ended");
  }
  if (at == nullptr || outcome.first.value() < 0 || outcome.last < outcome.first ||
      outcome.last - outcome.first >= limits::kWindowOffsets) {
    return Error(ErrorCode::invalid_request, "an outcome's partition, lane or range");
  }
  if (outcome.delay_us > limits::kRetryDelayUsMax) {
    return Error(ErrorCode::invalid_request, "delay: at most 31 days");
  }
  int64_t events = 0;
  switch (outcome.verdict) {
    case Verdict::ack:
      events = at->ack(outcome);
      break;
    case Verdict::nack:
    case Verdict::reject:
      events = at->fail(outcome, pending);
      break;
    case Verdict::extend:
      events = at->extend(outcome);
      break;
    case Verdict::release:
      events = at->release(outcome);
      break;
  }
  return events > 0 ? Error() : Error(ErrorCode::stale_delivery, record_->name);
}

void AckedGroup::note_duration(bool failed, int64_t duration_us, int64_t events) {
  handler_.record(failed, duration_us, events);
  metrics::record(metrics::Timing::event_processing, duration_us, static_cast<uint64_t>(events));
}

DeadLetters::Put AckedGroup::bury(DeadLetter letter, Quota quota) {
  const auto put = dead_letters_.put(std::move(letter), quota == Quota::exceeded);
  if (put != DeadLetters::Put::done) return put;
  ++dead_;
  metrics::add(metrics::Counter::group_dead_letters);
  mark_dirty();
  return put;
}

// Whatever there is space for; then what waits because the oldest letters were being read.
void AckedGroup::move_blocked() {
  if (blocked_ > 0 && takes_blocked()) {
    for (auto& cursor : cursors_) cursor->move_blocked();
  }
  for (auto& cursor : cursors_) {
    if (cursor->dying() > 0) cursor->bury();
    cursor->go_on_expiring();
  }
}

// ---- rows

void AckedGroup::mark_dirty() {
  if (dirty_) return;
  dirty_ = true;
  changed_->push_back(this);
  ctx_->writes(this);  // so that the turn has a set, and seal() comes
}

void AckedGroup::seal() {
  if (!dirty_) return;
  records::GroupHealth row;
  for (auto& cursor : cursors_) {
    cursor->write_row();
    if (cursor->blocked() == 0) continue;
    auto* blocked = row.add_blocked();
    blocked->set_partition(cursor->partition().value());
    blocked->set_events(static_cast<uint64_t>(cursor->blocked()));
  }
  jobs_.seal();
  dead_letters_.watch(blocked_ > 0, false);
  health_.encode(&row);
  dead_letters_.encode(&row);
  row.set_acked(acked_);
  row.set_failed(failed_);
  row.set_dead(dead_);
  row.set_skipped(skipped_);
  row.set_kept_attempts(kept_attempts_);
  row.set_last_success_us(last_success_us_);
  row.set_last_failure_us(last_failure_us_);
  row.set_last_error(last_error_);
  ctx_->writes(this).put(storage::state_place(topic_->tenant),
                         storage::health_key(topic_->tenant, topic_->id, SliceId(0), record_->id),
                         row.SerializeAsString());
  dirty_ = false;  // what was marked while this ran is written
}

void AckedGroup::advance_jobs() {
  if (state_ == State::ready) jobs_.advance();
}

void AckedGroup::write_late() {
  for (auto& cursor : cursors_) cursor->write_late();
}

void AckedGroup::on_committed(Ctx&, uint64_t) {
  dead_letters_.on_committed();
  explainer_.on_committed();
  search_.on_committed();
  pump();  // retries may be handed out now
  advance_jobs();
}

void AckedGroup::on_fetched(Fetch& fetch) {
  Cursor* to = cursor(fetch.partition, Cursor::lane_of_ticket(fetch.ticket));
  if (to != nullptr) to->on_fetched(fetch);
}

// ---- the end, and how it stands

void AckedGroup::close(const Error& error) {
  state_ = State::failed;
  ctx_->disarm(this);
  cursors_.clear();
  dead_letters_.close(error);
  jobs_.close(error);
  explainer_.close(error);
  search_.close(error);
  while (!waiting_.empty()) {
    waiting_.front().request->error = error;
    expire(&waiting_.front());
  }
  members_.clear();
  held_.end();
}

void AckedGroup::purge() {
  auto& writes = ctx_->writes(this);
  auto remove = [&](storage::Table table, const storage::Key& prefix) {
    writes.remove_range({table, Month(0), topic_->tenant}, prefix, prefix.after_prefix());
  };
  const TenantId tenant = topic_->tenant;
  const SliceId slice(0);
  remove(storage::Table::offsets, storage::offsets_prefix(tenant, topic_->id, slice, record_->id));
  remove(storage::Table::dlq, storage::dlq_prefix(tenant, topic_->id, slice, record_->id));
  remove(storage::Table::state, storage::job_prefix(tenant, topic_->id, slice, record_->id));
  for (uint32_t i = 0; i < topic_->partitions; ++i) {
    remove(storage::Table::retry,
           storage::retry_prefix(topic_->partition(PartitionId(i)), record_->id));
    if (!kept_attempts_) continue;
    remove(storage::Table::state,
           storage::attempts_prefix(topic_->partition(PartitionId(i)), record_->id));
  }
  writes.remove(storage::state_place(tenant),
                storage::health_key(tenant, topic_->id, slice, record_->id));
  dirty_ = false;
}

GroupState AckedGroup::state_told() const {
  const GroupState state = health_.state();
  const bool stopped = health_.quarantined() || state == GroupState::disabled;
  return everything_blocked() && !stopped ? GroupState::blocked : state;
}

GroupStats AckedGroup::stats() const {
  GroupStats stats;
  stats.group = record_;
  stats.topic = topic_;
  AckedStats acked;
  acked.state = state_told();
  acked.reason = health_.reason();
  acked.cooldown_ends_us = health_.cooldown_ends_us();
  acked.consecutive_failures = health_.consecutive_failures();
  const LetterQuota& quota = dead_letters_.quota();
  acked.dead_letters = quota.entries();
  acked.dead_letter_bytes = quota.bytes();
  acked.dlq_level = quota.level();
  acked.dlq_hours_until_full = quota.hours_until_full(ctx_->now().mono_us);
  acked.blocked = blocked_;
  acked.dropped = dead_letters_.dropped();
  acked.delivered = delivered_;
  acked.released = released_;
  acked.acked = acked_;
  acked.failed = failed_;
  acked.dead = dead_;
  acked.skipped = skipped_;
  acked.last_success_us = last_success_us_;
  acked.last_failure_us = last_failure_us_;
  acked.last_error = last_error_;
  acked.failure_rate = handler_.failure_rate();
  acked.handler_p50_us = handler_.p50_us();
  acked.handler_p95_us = handler_.p95_us();
  for (const auto& cursor : cursors_) {
    GroupPartitionStats row;
    row.partition = cursor->partition();
    row.committed = cursor->floor();
    row.next = cursor->next();
    row.outstanding = cursor->in_flight() + cursor->given_back() + cursor->waiting() +
                      cursor->parked() + cursor->blocked() + cursor->dying();
    row.settled_ahead = cursor->settled_ahead();
    acked.in_flight += cursor->in_flight();
    acked.retry += cursor->parked() + cursor->blocked();
    stats.partitions.push_back(row);
  }
  for (const auto& [id, member] : members_) {
    stats.members.push_back({member_name(id), member.client, {}});
  }
  stats.acked = std::move(acked);
  return stats;
}

}  // namespace headrace::core

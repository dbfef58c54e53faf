#include "broker/core/explainer.h"

#include <algorithm>

#include "broker/core/acked_attempts.h"
#include "broker/core/acked_group.h"
#include "broker/core/letter_row.h"
#include "broker/core/question_step.h"
#include "broker/limits.h"
#include "storage/byte_reader.h"

namespace headrace::core {

namespace {

constexpr std::pair<EventStatus, std::string_view> kStatuses[] = {
    {EventStatus::not_matched, "not_matched"},
    {EventStatus::before_start, "before_start"},
    {EventStatus::waiting, "waiting"},
    {EventStatus::in_flight, "in_flight"},
    {EventStatus::given_back, "given_back"},
    {EventStatus::behind_key, "behind_key"},
    {EventStatus::retry, "retry"},
    {EventStatus::dying, "dying"},
    {EventStatus::blocked, "blocked"},
    {EventStatus::dead, "dead"},
    {EventStatus::settled, "settled"},
    {EventStatus::unknown, "unknown"},
};

}  // namespace

std::string_view to_string(EventStatus status) {
  for (const auto& [known, word] : kStatuses) {
    if (known == status) return word;
  }
  return "invalid";
}

std::optional<EventStatus> event_status(std::string_view word) {
  for (const auto& [known, name] : kStatuses) {
    if (name == word) return known;
  }
  return std::nullopt;
}

std::string event_statuses() {
  std::string words;
  for (const auto& [status, word] : kStatuses) {
    words += (words.empty() ? "" : ", ") + std::string(word);
  }
  return words;
}

// ---- what memory knows

namespace {

EventPlace parked_at(EventStatus status, const RetryEntry& entry) {
  EventPlace place;
  place.status = status;
  place.attempts = entry.attempts;
  if (status == EventStatus::blocked) return place;
  place.attempt = entry.attempt;
  place.due_us = entry.due_us;
  return place;
}

}  // namespace

std::optional<EventPlace> Cursor::place_of(Offset offset) const {
  EventPlace place;
  const auto failed_in = [](const HeldRange& range) {
    return range.retry == nullptr ? std::vector<AttemptRecord>() : range.retry->attempts;
  };
  if (const HeldRange* held = held_.find(offset)) {
    place.status = EventStatus::in_flight;
    place.attempt = held->attempt;
    place.member = group_->member_name(held->member);
    place.started_us = held->started_wall_us;
    place.deadline_us = ctx_->now().wall_us + (held->deadline_mono_us - ctx_->now().mono_us);
    place.attempts = failed_in(*held);
    return place;
  }
  const auto behind = again_.upper_bound(offset);
  if (behind != again_.begin() && std::prev(behind)->second.last >= offset) {
    const HeldRange& given_back = std::prev(behind)->second;
    place.status = EventStatus::given_back;
    place.attempt = given_back.attempt;
    place.attempts = failed_in(given_back);
    return place;
  }
  for (const Dying& dying : dying_) {
    if (offset < dying.offset || offset >= dying.end) continue;
    place.status = EventStatus::dying;
    place.attempts = dying.attempts;
    return place;
  }
  if (const auto entry = retries_.find(offset)) return parked_at(EventStatus::retry, *entry);
  if (const auto entry = blocked_.rows().find(offset)) {
    return parked_at(EventStatus::blocked, *entry);
  }
  if (settled_.contains(offset)) return std::nullopt;
  if (offset < next_) {
    place.status = EventStatus::behind_key;
    place.attempt = 1;
    return place;
  }
  place.status = EventStatus::waiting;
  for (Offset at = settled_.next_open(next_); at < offset; at = settled_.next_open(at)) {
    const Offset end = settled_.open_until(at, offset);
    place.before += end - at;
    at = end;
  }
  return place;
}

void Jobs::explain(ExplainEvent* request) const {
  for (const auto& [lane, job] : jobs_) {
    const JobRecord& record = job->record;
    if (!record.open() || record.dry_run) continue;
    ExplainEvent::JobPlace told{lane, record.kind, record.state};
    const Cursor* cursor = job->cursor(request->partition);
    const auto place = cursor == nullptr ? std::nullopt : cursor->place_of(request->offset);
    if (record.kind == JobKind::redrive) {
      // Of its events only the parked rows know, and of these memory has the next ones.
      if (!place || place->status == EventStatus::waiting) continue;
      told.status = place->status;
    } else {
      const auto holds = [&](const JobRange& range) {
        return range.partition == request->partition && request->offset >= range.from &&
               request->offset < range.to;
      };
      if (std::none_of(record.ranges.begin(), record.ranges.end(), holds)) continue;
      if (cursor != nullptr) told.status = place ? place->status : EventStatus::settled;
    }
    request->jobs.push_back(told);
  }
}

void AckedGroup::tell_state(ExplainEvent* request) const {
  request->state = state_told();
  request->state_reason = health_.reason();
  request->cooldown_ends_us = health_.cooldown_ends_us();
  const EventStatus status = request->place.status;
  const bool comes = status == EventStatus::waiting || status == EventStatus::given_back ||
                     status == EventStatus::behind_key || status == EventStatus::retry;
  if (!comes) return;
  auto& held_by = request->held_by;
  if (!health_.delivers()) held_by.emplace_back(to_string(health_.state()));
  if (everything_blocked()) held_by.emplace_back("blocked");
  const bool room = std::any_of(members_.begin(), members_.end(), [](const auto& member) {
    return member.second.held < member.second.window;
  });
  if (members_.empty()) {
    held_by.emplace_back("no_members");
  } else if (!room) {
    held_by.emplace_back("members_full");
  }
  if (status != EventStatus::waiting) return;
  const Cursor& at = live_cursor(request->partition);
  if (at.in_flight() + at.given_back() >= options().max_in_flight) {
    held_by.emplace_back("max_in_flight");
  }
  if (at.window_offsets() >= limits::kWindowOffsets) held_by.emplace_back("window");
}

// ---- what rows know

namespace {

template <class Rows>
using Step = QuestionStep<Explainer, std::unique_ptr<ExplainEvent>, Rows>;

}  // namespace

void Explainer::fail(Ctx* ctx, std::unique_ptr<ExplainEvent> request, ErrorCode code) {
  request->error = Error(code, "group " + request->group->name);
  ctx->reply(std::move(request));
}

void Explainer::explain(std::unique_ptr<ExplainEvent> request) {
  if (request->partition.value() >= group_->topic()->partitions) {
    request->error = Error(ErrorCode::unknown_partition, group_->topic()->name);
    return ctx_->reply(std::move(request));
  }
  if (auto place = group_->live_cursor(request->partition).place_of(request->offset)) {
    request->place = std::move(*place);
    return answer(std::move(request));
  }
  if (group_->touched_sequence <= ctx_->committed_sequence()) {
    return look_for_letter(std::move(request));
  }
  if (waiting_.size() >= limits::kExplainsWaiting) {
    request->error = Error(ErrorCode::busy, "too many requests wait for " + request->group->name);
    return ctx_->reply(std::move(request));
  }
  waiting_.push_back({group_->touched_sequence, std::move(request)});
}

void Explainer::on_committed() {
  while (!waiting_.empty() && waiting_.front().sequence <= ctx_->committed_sequence()) {
    auto request = std::move(waiting_.front().request);
    waiting_.pop_front();
    look_for_letter(std::move(request));
  }
}

void Explainer::close(const Error& error) {
  alive_.reset();
  for (Waiting& waiting : waiting_) {
    waiting.request->error = error;
    ctx_->reply(std::move(waiting.request));
  }
  waiting_.clear();
}

void Explainer::look_for_letter(std::unique_ptr<ExplainEvent> request) {
  const storage::Key key =
      storage::dlq_origin_key(group_->topic()->partition(request->partition), group_->record()->id,
                              LaneId(0), request->offset);
  auto* read = new Step<storage::Read>(std::move(request), this, ctx_, &Explainer::on_origin);
  read->items.push_back({group_->dead_letters().place(), key, {}, false});
  ctx_->store().read(read);
}

void Explainer::on_origin(std::unique_ptr<ExplainEvent> request, storage::Read& origin) {
  const auto& found = origin.items.front();
  if (!found.found || found.value.size() != sizeof(uint64_t)) {
    const bool by_key = group_->options().ordering == GroupOptions::Ordering::key;
    return by_key ? look_behind_key(std::move(request)) : look_for_blocked(std::move(request));
  }
  const auto sequence = load_be<uint64_t>(found.value.data());
  auto* read = new Step<storage::Read>(std::move(request), this, ctx_, &Explainer::on_letter);
  read->items.push_back(
      {group_->dead_letters().place(), group_->dead_letters().key_of(sequence), {}, false});
  ctx_->store().read(read);
}

void Explainer::on_letter(std::unique_ptr<ExplainEvent> request, storage::Read& read) {
  const auto& row = read.items.front();
  if (!row.found) return look_for_acks(std::move(request));  // deleted meanwhile
  DeadLetter letter;
  if (!decode_letter(row.key.view(), row.value, &letter)) {
    request->error = Error(ErrorCode::storage_error, "a dead letter does not parse");
    return ctx_->reply(std::move(request));
  }
  letter.event = {};
  request->place.status = EventStatus::dead;
  request->place.attempts = std::move(letter.attempts);
  request->letter = std::move(letter);
  look_for_acks(std::move(request));
}

void Explainer::look_behind_key(std::unique_ptr<ExplainEvent> request) {
  const storage::Key key =
      storage::retry_key(group_->topic()->partition(request->partition), group_->record()->id,
                         LaneId(0), RetryEntry::kBehindKey, request->offset, 1);
  auto* read = new Step<storage::Read>(std::move(request), this, ctx_, &Explainer::on_behind_key);
  read->items.push_back(
      {{storage::Table::retry, Month(0), group_->topic()->tenant}, key, {}, false});
  ctx_->store().read(read);
}

void Explainer::on_behind_key(std::unique_ptr<ExplainEvent> request, storage::Read& read) {
  if (!read.items.front().found) return look_for_blocked(std::move(request));
  request->place.status = EventStatus::behind_key;
  request->place.attempt = 1;
  answer(std::move(request));
}

// Rows that are never due are in the order of their offsets.
void Explainer::look_for_blocked(std::unique_ptr<ExplainEvent> request) {
  if (group_->live_cursor(request->partition).blocked() == 0) {
    return look_for_parked(std::move(request));
  }
  const PartitionKey partition = group_->topic()->partition(request->partition);
  const auto key = [&](Offset offset) {
    return storage::retry_key(partition, group_->record()->id, LaneId(0), RetryEntry::kNever,
                              offset, 0);
  };
  const storage::Key from = key(request->offset);
  const storage::Key to = key(request->offset + 1);
  auto* scan = new Step<storage::Scan>(std::move(request), this, ctx_, &Explainer::on_blocked);
  scan->place = {storage::Table::retry, Month(0), partition.tenant};
  scan->from = from;
  scan->to = to;
  scan->max_rows = 1;
  ctx_->store().scan(scan);
}

void Explainer::on_blocked(std::unique_ptr<ExplainEvent> request, storage::Scan& scan) {
  if (scan.rows.empty()) return look_for_parked(std::move(request));
  const auto& row = scan.rows.front();
  if (const auto entry = decode_retry(row.key.view(), storage::as_text(row.value.span()))) {
    request->place = parked_at(EventStatus::blocked, *entry);
  }
  answer(std::move(request));
}

void Explainer::look_for_parked(std::unique_ptr<ExplainEvent> request) {
  const auto unread = group_->live_cursor(request->partition).unread_from();
  if (!unread) return look_for_acks(std::move(request));
  const PartitionKey partition = group_->topic()->partition(request->partition);
  const auto key = [&](int64_t due_us, Offset offset, uint32_t attempt) {
    return storage::retry_key(partition, group_->record()->id, LaneId(0), due_us, offset, attempt);
  };
  storage::Key from = *unread;
  if (const auto& at = request->looked_to) {
    from = std::max(from, key(at->due_us, at->offset, at->attempt).append(uint8_t{0}));
  }
  auto* scan = new Step<storage::Scan>(std::move(request), this, ctx_, &Explainer::on_parked);
  scan->place = {storage::Table::retry, Month(0), partition.tenant};
  scan->from = from;
  scan->to = key(RetryEntry::kBehindKey, Offset(0), 0);
  scan->max_rows = limits::kExplainRows;
  ctx_->store().scan(scan);
}

void Explainer::on_parked(std::unique_ptr<ExplainEvent> request, storage::Scan& scan) {
  std::optional<ParkedAt> last;
  for (const auto& row : scan.rows) {
    const auto key = storage::parse_retry_key(row.key.view());
    if (!key) continue;
    last = {key->due_us, key->offset, key->attempt};
    if (key->offset != request->offset) continue;
    const auto entry = decode_retry(row.key.view(), storage::as_text(row.value.span()));
    if (!entry) continue;
    request->place = parked_at(EventStatus::retry, *entry);
    return answer(std::move(request));
  }
  request->looked_to = scan.more ? last : std::nullopt;
  if (request->looked_to) {
    request->place.status = EventStatus::unknown;
    return answer(std::move(request));
  }
  look_for_acks(std::move(request));
}

// Settled, or a dead letter that a redrive may have brought to an end.
void Explainer::look_for_acks(std::unique_ptr<ExplainEvent> request) {
  if (!group_->kept_attempts()) return answer(std::move(request));
  const PartitionKey partition = group_->topic()->partition(request->partition);
  const Offset offset = request->offset;
  auto* scan = new Step<storage::Scan>(std::move(request), this, ctx_, &Explainer::on_acks);
  scan->place = storage::state_place(partition.tenant);
  scan->from = storage::attempts_key(partition, group_->record()->id, offset, LaneId(0));
  scan->to = storage::attempts_key(partition, group_->record()->id, last_of_attempts(offset) + 1,
                                   LaneId(0));
  scan->max_rows = limits::kExplainRows;
  ctx_->store().scan(scan);
}

void Explainer::on_acks(std::unique_ptr<ExplainEvent> request, storage::Scan& scan) {
  for (const auto& found : scan.rows) {
    auto row = AckedAttempts::decode(storage::as_text(found.value.span()));
    if (!row || row->first > request->offset) continue;
    auto& attempts = request->place.attempts;
    attempts.insert(attempts.end(), row->attempts.begin(), row->attempts.end());
  }
  std::ranges::stable_sort(request->place.attempts, {}, &AttemptRecord::ended_us);
  answer(std::move(request));
}

// ---- the answer

namespace {

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "'" : ", '") + word + "'";
  return text;
}

}  // namespace

std::optional<Filter::Verdict> check_event(const Filter& filter, const SharedBytes& event,
                                           std::string* type) {
  const auto header = storage::read_header(event.span());
  if (!header) return std::nullopt;
  std::string scratch;
  std::span<const std::byte> records;
  if (storage::records_of(event.span(), *header, &scratch, limits::kInflateBytesMax, &records) !=
      storage::BatchError::ok) {
    return std::nullopt;
  }
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  std::string_view read;
  if (!reader.next(&record) || !read_type(record, &read)) return std::nullopt;
  const Filter::Verdict verdict = filter.check({read, record});
  if (verdict.outcome == Filter::Outcome::damaged_headers) return std::nullopt;
  if (type != nullptr) *type = read;
  return verdict;
}

// True: it is none of the group's business.
bool Explainer::check_filter(ExplainEvent* request) const {
  const Filter& filter = *group_->filter();
  std::string type;
  const auto verdict = check_event(filter, request->event, &type);
  if (!verdict) return false;
  request->matches = verdict->outcome == Filter::Outcome::matches;
  if (verdict->outcome == Filter::Outcome::wrong_type) {
    request->mismatch =
        "filters: the type '" + type + "' matches none of " + list_of(filter.spec().patterns);
  } else if (verdict->outcome == Filter::Outcome::wrong_condition) {
    request->mismatch = "conditions[" + std::to_string(verdict->condition) + "]: '" +
                        to_string(filter.spec().conditions.at(verdict->condition)) +
                        "' does not hold";
  } else if (verdict->outcome == Filter::Outcome::wrong_version) {
    const FilterSpec& spec = filter.spec();
    request->mismatch = "schema_from, schema_to: the event's schema version is not " +
                        std::to_string(std::max(spec.schema_from, 1)) + " to " +
                        (spec.schema_to == 0 ? "any" : std::to_string(spec.schema_to));
    if (group_->buries_versions()) request->mismatch += "; the group gets a dead letter";
  }
  return group_->passes_over(*verdict);
}

EventStatus AckedGroup::status_told(EventStatus status, Offset offset,
                                    std::optional<int64_t> append_time_us, bool mismatch) const {
  const bool settled = status == EventStatus::settled;
  if (!settled && status != EventStatus::waiting) return status;
  // Append times do not go back within a partition.
  const auto before_start = [&] {
    const Position& from = options().from;
    if (const auto* first = std::get_if<Offset>(&from)) return offset < *first;
    if (!append_time_us) return false;  // not known
    if (const auto* time = std::get_if<AppendedAt>(&from)) return *append_time_us < time->value();
    return std::holds_alternative<Latest>(from) && *append_time_us < record()->created_us;
  };
  if (settled && before_start()) return EventStatus::before_start;
  return mismatch ? EventStatus::not_matched : status;
}

void Explainer::answer(std::unique_ptr<ExplainEvent> request) {
  EventStatus& status = request->place.status;
  if (status == EventStatus::settled || status == EventStatus::unknown) {
    // Rows may have come into memory while others were read.
    if (auto place = group_->live_cursor(request->partition).place_of(request->offset)) {
      request->place = std::move(*place);
    }
  }
  if (status != EventStatus::unknown) request->looked_to.reset();
  const bool passed_over = check_filter(request.get());
  status = group_->status_told(
      status, request->offset,
      request->event.size() == 0 ? std::nullopt : std::optional(request->append_time_us),
      passed_over);
  group_->tell_state(request.get());
  group_->explain_jobs(request.get());
  ctx_->reply(std::move(request));
}

}  // namespace headrace::core

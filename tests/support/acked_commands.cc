// The commands of CoreStage that concern acked groups, and their answers as text.
#include "tests/support/acked_text.h"
#include "tests/support/core_stage.h"

namespace headrace::test {
namespace {

std::string values_of(const core::StoredBatch& batch, const core::AcquiredRange& range) {
  const auto header = storage::read_header(batch.bytes.span());
  HR_CHECK(header.has_value());
  std::string scratch;
  std::span<const std::byte> records;
  const auto error = storage::records_of(batch.bytes.span(), *header, &scratch, 1u << 20, &records);
  HR_CHECK(error == storage::BatchError::ok);
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  std::string text;
  while (reader.next(&record)) {
    const Offset offset(header->base_offset + record.offset_delta);
    if (offset < range.first || offset > range.last) continue;
    text += " " + std::to_string(offset.value()) + "=" + std::string(record.value.value_or("null"));
  }
  return text;
}

std::string text_of(const core::Acquire& acquire) {
  if (acquire.events == 0) return "nothing";
  std::string text = "p" + std::to_string(acquire.partition.value());
  if (acquire.lane != LaneId(0)) text += " lane " + std::to_string(acquire.lane.value());
  for (const auto& range : acquire.acquired) {
    text += " attempt " + std::to_string(range.attempt) + ":" +
            values_of(acquire.batches.at(range.batch), range);
  }
  return text;
}

std::string text_of(const core::Settle& settle) {
  const core::Error& refused = settle.outcomes.front().refused;
  return refused ? "refused, " + refused.message() : "settled";
}

std::string dlq_text(const core::AckedStats& acked) {
  std::string text;
  if (acked.blocked > 0) text += " blocked " + std::to_string(acked.blocked);
  if (acked.skipped > 0) text += " skipped " + std::to_string(acked.skipped);
  if (acked.dropped > 0) text += " dropped " + std::to_string(acked.dropped);
  if (acked.dlq_level != core::DlqLevel::ok)
    text += " dlq is " + std::string(to_string(acked.dlq_level));
  return text;
}

std::string text_of(const core::DescribeGroup& describe) {
  const auto& acked = *describe.stats.acked;
  std::string text(to_string(acked.state));
  if (!acked.reason.empty()) text += " (" + acked.reason + ")";
  text += " lag " + std::to_string(describe.stats.lag_events) + " in flight " +
          std::to_string(acked.in_flight) + " retry " + std::to_string(acked.retry) + " dlq " +
          std::to_string(acked.dead_letters) + " acked " + std::to_string(acked.acked) +
          " failed " + std::to_string(acked.failed) + " in a row " +
          std::to_string(acked.consecutive_failures) + dlq_text(acked) + "; floors";
  for (const auto& row : describe.stats.partitions) {
    text += " " + std::to_string(row.committed.value());
  }
  return text;
}

std::string text_of(const core::DeleteDeadLetters& request) {
  std::string text =
      std::to_string(request.matched) + " matched, " + std::to_string(request.deleted) + " deleted";
  if (!request.token.empty()) text += ", token " + request.token;
  return text;
}

std::string text_of(const core::ListDeadLetters& list) {
  std::string text = std::to_string(list.total) + " letters";
  for (const auto& letter : list.letters) {
    text += "; " + std::to_string(letter.sequence) + ": p" +
            std::to_string(letter.partition.value()) + " " + std::string(to_string(letter.reason)) +
            " '" + letter.error + "' after " + std::to_string(letter.attempts.size()) +
            " attempts,";
    if (letter.lane != LaneId(0)) text += " lane " + std::to_string(letter.lane.value());
    if (letter.redriven_us != 0) {
      text += " redriven by " + std::to_string(letter.redriven_by.value());
    }
    if (letter.redrive_of != 0) text += " redrive of " + std::to_string(letter.redrive_of);
    if (letter.event.size() == 0) continue;
    text += values_of({letter.event, 0}, {letter.offset, letter.offset, 1, 0});
  }
  return text;
}

std::string text_of(const core::JobStats& job) {
  const core::JobRecord& record = job.record;
  std::string text =
      "job " + std::to_string(record.lane.value()) + " " + std::string(to_string(record.kind)) +
      " " + std::string(to_string(record.state)) + (record.dry_run ? " dry run" : "") +
      ": scanned " + std::to_string(record.scanned) + " matched " + std::to_string(record.matched) +
      " delivered " + std::to_string(job.delivered) + " acked " + std::to_string(record.acked) +
      " failed " + std::to_string(record.failed) + " expired " + std::to_string(record.expired) +
      ", " + std::to_string(static_cast<int>(job.percent)) + "%";
  for (const auto& range : record.ranges) {
    text += " p" + std::to_string(range.partition.value()) + " [" +
            std::to_string(range.from.value()) + ", " + std::to_string(range.to.value()) + ")";
  }
  return text;
}

std::string text_of(const core::ListJobs& list) {
  std::string text = std::to_string(list.jobs.size()) + " jobs";
  for (const auto& job : list.jobs) text += "; " + text_of(job);
  return text;
}

std::string text_of(const core::ExplainEvent& told) {
  const core::EventPlace& place = told.place;
  std::string text(to_string(place.status));
  if (place.before > 0) text += " behind " + std::to_string(place.before);
  if (place.attempt > 0) text += ", attempt " + std::to_string(place.attempt);
  if (!place.member.empty()) text += " of " + place.member;
  if (place.deadline_us > 0) {
    text +=
        " for " + std::to_string((place.deadline_us - place.started_us) / kMicrosPerSecond) + " s";
  }
  if (place.due_us > 0) text += " due " + std::to_string(place.due_us);
  for (const auto& attempt : place.attempts) {
    if (attempt.outcome == core::FailureReason::acked) {
      text += "; acked " + std::to_string(attempt.number) + " by " + attempt.member;
      if (attempt.lane != LaneId(0)) text += " lane " + std::to_string(attempt.lane.value());
      continue;
    }
    text += "; failed " + std::to_string(attempt.number) + ": " +
            std::string(to_string(attempt.outcome)) + " '" + attempt.error + "'";
  }
  if (told.letter) {
    text += "; letter " + std::to_string(told.letter->sequence) + " " +
            std::string(to_string(told.letter->reason));
    if (told.letter->redriven_us != 0) {
      text += " redriven by " + std::to_string(told.letter->redriven_by.value());
    }
  }
  if (!told.matches) text += "; the event is not there";
  if (!told.mismatch.empty()) text += "; " + told.mismatch;
  if (!told.violation.empty()) text += "; kept from handlers: " + told.violation;
  for (const std::string& word : told.held_by) text += "; held by " + word;
  if (!told.held_by.empty() && !told.state_reason.empty()) text += " (" + told.state_reason + ")";
  for (const auto& job : told.jobs) {
    text += "; " + std::string(to_string(job.state)) + " job " + std::to_string(job.lane.value()) +
            " " + std::string(to_string(job.status));
  }
  return text;
}

}  // namespace

std::string acked_answer_text(core::Request& request) {
  using Kind = core::Request::Kind;
  switch (request.kind) {
    case Kind::create_group:
      return "group " + core::as<core::CreateGroup>(request).group->name;
    case Kind::attach_member:
      return "attached";
    case Kind::detach_member:
      return "detached";
    case Kind::acquire:
      return text_of(core::as<core::Acquire>(request));
    case Kind::settle:
      return text_of(core::as<core::Settle>(request));
    case Kind::set_group_state:
      return std::string(to_string(core::as<core::SetGroupState>(request).state));
    case Kind::describe_group:
      return text_of(core::as<core::DescribeGroup>(request));
    case Kind::update_group:
      return "updated " + core::as<core::UpdateGroup>(request).group->name;
    case Kind::delete_dead_letters:
      return text_of(core::as<core::DeleteDeadLetters>(request));
    case Kind::list_dead_letters:
      return text_of(core::as<core::ListDeadLetters>(request));
    case Kind::start_job:
      return text_of(core::as<core::StartJob>(request).job);
    case Kind::list_jobs:
      return text_of(core::as<core::ListJobs>(request));
    case Kind::control_job:
      return text_of(core::as<core::ControlJob>(request).job);
    case Kind::explain_event:
      return text_of(core::as<core::ExplainEvent>(request));
    default:
      HR_UNREACHABLE("a request that no command makes");
  }
}

namespace {

void read_options(std::istringstream& words, core::GroupOptions* to) {
  core::GroupOptions& options = *to;
  for (std::string word; words >> word;) {
    const std::string value = word.substr(word.find('=') + 1);
    if (word == "from=earliest") options.from = core::Earliest{};
    if (word.starts_with("filter=")) options.filters.push_back(value);
    if (word.starts_with("where=")) options.conditions.push_back(value + " exists");
    if (word.starts_with("retries=")) {
      options.retry.max_retries = static_cast<uint32_t>(std::stoul(value));
    }
    if (word.starts_with("base_s=")) options.retry.base_us = std::stoll(value) * kMicrosPerSecond;
    if (word.starts_with("deadline_s=")) {
      options.ack_deadline_us = std::stoll(value) * kMicrosPerSecond;
    }
    if (word.starts_with("cooldown_s=")) options.cooldown_us = std::stoll(value) * kMicrosPerSecond;
    if (word.starts_with("in_flight=")) {
      options.max_in_flight = static_cast<uint32_t>(std::stoul(value));
    }
    if (word.starts_with("priority=")) {
      options.priority = static_cast<uint32_t>(std::stoul(value));
    }
    if (word == "ordering=key") options.ordering = core::GroupOptions::Ordering::key;
    if (word.starts_with("dlq=")) options.dlq_entries = static_cast<uint32_t>(std::stoul(value));
    if (word.starts_with("dlq_bytes=")) options.dlq_bytes = std::stoll(value);
    if (word == "keep=all") options.keep_attempts = core::GroupOptions::KeepAttempts::all;
    if (word.starts_with("schema_from=")) options.schema_from = std::stoi(value);
    if (word.starts_with("schema_to=")) options.schema_to = std::stoi(value);
    if (word.starts_with("mismatch=")) {
      using Mismatch = core::GroupOptions::VersionMismatch;
      options.version_mismatch = value == "skip" ? Mismatch::skip : Mismatch::dead_letter;
    }
    if (word == "overflow=drop") {
      options.dlq_overflow = core::GroupOptions::Overflow::drop_oldest;
    }
  }
}

}  // namespace

void CoreStage::declare(std::istringstream& words) {
  auto request = std::make_unique<core::CreateGroup>(core::Access::anonymous());
  std::string name;
  words >> request->name >> name;
  request->topic = topic(name);
  request->options.retry.jitter = 0;
  read_options(words, &request->options);
  ask(std::move(request), this);
}

void CoreStage::update(std::istringstream& words) {
  auto request = std::make_unique<core::UpdateGroup>(core::Access::anonymous());
  words >> request->name;
  request->options = catalog_->group(kDefaultTenant, request->name)->options;
  read_options(words, &request->options);
  ask(std::move(request), this);
}

void CoreStage::delete_letters(std::istringstream& words) {
  auto request = std::make_unique<core::DeleteDeadLetters>(core::Access::anonymous());
  std::string group;
  words >> group;
  for (std::string word; words >> word;) {
    if (word == "all") {
      request->all = true;
    } else if (word.starts_with("token=")) {
      request->token = word.substr(6);
    } else if (word.starts_with("reason=")) {
      request->conditions.push_back("reason == " + word.substr(7));
    } else if (word.starts_with("where=")) {
      request->conditions.push_back(word.substr(6) + " exists");
    } else {
      request->only.push_back(std::stoull(word));
    }
  }
  request->group = catalog_->group(kDefaultTenant, group);
  request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
  ask(std::move(request), this);
}

void CoreStage::outcome(const std::string& verb, std::istringstream& words) {
  std::string group;
  std::string who;
  uint32_t partition = 0;
  int64_t first = 0;
  int64_t last = 0;
  auto request = std::make_unique<core::Settle>(core::Access::anonymous());
  auto& outcome = request->outcomes.emplace_back();
  words >> group >> who >> partition >> first >> last >> outcome.attempt;
  outcome.partition = PartitionId(partition);
  outcome.first = Offset(first);
  outcome.last = Offset(last);
  if (verb == "nack") outcome.verdict = core::Verdict::nack;
  if (verb == "reject") outcome.verdict = core::Verdict::reject;
  if (verb == "extend") outcome.verdict = core::Verdict::extend;
  if (verb == "release") outcome.verdict = core::Verdict::release;
  if (verb == "nack" || verb == "reject") outcome.error = "it broke";
  for (std::string word; words >> word;) {
    if (word.starts_with("delay_s=")) {
      outcome.delay_us = std::stoll(word.substr(8)) * kMicrosPerSecond;
    }
    if (word.starts_with("lane=")) {
      outcome.lane = LaneId(static_cast<uint32_t>(std::stoul(word.substr(5))));
    }
  }
  request->group = catalog_->group(kDefaultTenant, group);
  request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
  request->member = attached_[who];
  ask(std::move(request), this);
}

void CoreStage::start_job(core::JobKind kind, std::istringstream& words) {
  auto request = std::make_unique<core::StartJob>(core::Access::anonymous());
  request->kind = kind;
  std::string group;
  words >> group;
  for (std::string word; words >> word;) {
    const std::string value = word.substr(word.find('=') + 1);
    if (word == "all") request->all = true;
    if (word == "dry_run") request->dry_run = true;
    if (word.starts_with("from_s=")) {
      request->from_time = core::AppendedAt(now_.wall_us - std::stoll(value) * kMicrosPerSecond);
    }
    if (word.starts_with("to_s=")) {
      request->to_time = core::AppendedAt(now_.wall_us - std::stoll(value) * kMicrosPerSecond);
    }
    if (word.starts_with("partition=")) {
      request->partition = PartitionId(static_cast<uint32_t>(std::stoul(value)));
    }
    if (word.starts_with("offsets=")) {
      request->from_offset = Offset(std::stoll(value));
      request->to_offset = Offset(std::stoll(value.substr(value.find('-') + 1)) + 1);
    }
    if (word.starts_with("filter=")) request->filters.push_back(value);
    if (word.starts_with("where=")) request->conditions.push_back(value + " exists");
    if (word.starts_with("reason=")) request->conditions.push_back("reason == " + value);
    if (word.starts_with("letter=")) request->letters.push_back(std::stoull(value));
    if (word.starts_with("rate=")) request->rate = std::stod(value);
  }
  request->group = catalog_->group(kDefaultTenant, group);
  request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
  ask(std::move(request), this);
}

void CoreStage::explain(std::istringstream& words) {
  std::string group;
  uint32_t partition = 0;
  int64_t offset = 0;
  words >> group >> partition >> offset;
  auto request = std::make_unique<core::ExplainEvent>(core::Access::anonymous());
  request->group = catalog_->group(kDefaultTenant, group);
  request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
  request->partition = PartitionId(partition);
  request->offset = Offset(offset);
  auto search = std::make_unique<core::FindEvents>(core::Access::node(kDefaultTenant));
  search->topic = request->topic;
  search->partition = request->partition;
  search->query = std::make_shared<core::EventQuery>();
  search->before = request->offset + 1;
  search->page_size = 1;
  search = answer(std::move(search));
  if (!search->events.empty() && search->events.front().offset == request->offset) {
    request->event = search->events.front().event;
    request->append_time_us = search->events.front().append_time_us;
    request->violation = search->events.front().violation;
  }
  ask(std::move(request), this);
  settle();
}

bool CoreStage::job_command(const std::string& verb, std::istringstream& words) {
  if (verb == "replay") return start_job(core::JobKind::replay, words), true;
  if (verb == "redrive") return start_job(core::JobKind::redrive, words), true;
  if (verb != "jobs" && verb != "pause" && verb != "resume" && verb != "cancel_job") return false;
  std::string group;
  uint32_t lane = 0;
  words >> group >> lane;
  auto send = [&](auto request) {
    request->group = catalog_->group(kDefaultTenant, group);
    request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
    ask(std::move(request), this);
  };
  if (verb == "jobs")
    return send(std::make_unique<core::ListJobs>(core::Access::anonymous())), true;
  auto request = std::make_unique<core::ControlJob>(core::Access::anonymous());
  using Action = core::ControlJob::Action;
  request->lane = LaneId(lane);
  request->action = verb == "pause"    ? Action::pause
                    : verb == "resume" ? Action::resume
                                       : Action::cancel;
  send(std::move(request));
  return true;
}

bool CoreStage::acked_command(const std::string& verb, std::istringstream& words) {
  const auto tenant = core::Access::anonymous();
  if (verb == "declare") return declare(words), true;
  if (verb == "update") return update(words), true;
  if (verb == "delete") return delete_letters(words), true;
  if (verb == "explain") return explain(words), true;
  if (job_command(verb, words)) return true;
  static const std::string kOutcomes[] = {"ack", "nack", "reject", "release", "extend"};
  if (std::count(std::begin(kOutcomes), std::end(kOutcomes), verb) > 0) {
    return outcome(verb, words), true;
  }
  static const std::string kOthers[] = {"attach",  "detach",   "take",    "enable",
                                        "disable", "describe", "letters", "probe"};
  if (std::count(std::begin(kOthers), std::end(kOthers), verb) == 0) return false;
  std::string group;
  std::string who;
  words >> group >> who;
  auto send = [&](auto request) {
    request->group = catalog_->group(kDefaultTenant, group);
    HR_CHECK(request->group != nullptr);
    request->topic = catalog_->topic(kDefaultTenant, request->group->topic);
    ask(std::move(request), this);
  };
  if (verb == "attach") {
    auto request = std::make_unique<core::AttachMember>(tenant);
    words >> request->window_events;
    request->client = who;
    request->ticket = next_ticket_++;
    joining_[request->ticket] = who;
    send(std::move(request));
  } else if (verb == "detach") {
    auto request = std::make_unique<core::DetachMember>(tenant);
    request->member = attached_[who];
    send(std::move(request));
  } else if (verb == "take") {
    auto request = std::make_unique<core::Acquire>(tenant);
    request->max_events = 100;
    words >> request->max_events;
    request->max_bytes = 1u << 20;
    request->member = attached_[who];
    request->deadline_mono_us = now_.mono_us + int64_t{100'000} * kMicrosPerSecond;
    send(std::move(request));
  } else if (verb == "describe") {
    send(std::make_unique<core::DescribeGroup>(tenant));
  } else if (verb == "letters") {
    auto request = std::make_unique<core::ListDeadLetters>(tenant);
    if (who.starts_with("reason=")) request->conditions.push_back("reason == " + who.substr(7));
    send(std::move(request));
  } else {
    auto request = std::make_unique<core::SetGroupState>(tenant);
    using Action = core::SetGroupState::Action;
    request->action = verb == "enable"    ? Action::enable
                      : verb == "disable" ? Action::disable
                                          : Action::probe;
    request->reason = "a person";
    send(std::move(request));
  }
  return true;
}

}  // namespace headrace::test

#include "broker/native/handlers/convert_groups.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/handlers/convert_jobs.h"
#include "metrics/utf8.h"

namespace headrace::native {
namespace {

constexpr std::string_view kBlock = "block";
constexpr std::string_view kDropOldest = "drop_oldest";
constexpr std::string_view kNone = "none";
constexpr std::string_view kKey = "key";
constexpr std::string_view kSkip = "skip";
constexpr std::string_view kDeadLetter = "dead-letter";
constexpr std::string_view kFailed = "failed";
constexpr std::string_view kAll = "all";

core::Error invalid(std::string_view field, const std::string& what) {
  return core::Error(core::ErrorCode::invalid_request, std::string(field) + ": " + what);
}

// Beyond any clock stays beyond every range, without an overflow.
int64_t to_us(int64_t ms) {
  constexpr int64_t kMost = INT64_MAX / kMicrosPerMilli;
  return std::clamp(ms, -kMost, kMost) * kMicrosPerMilli;
}

void read_retry(const proto::RetryPolicy& message, core::RetryPolicy* retry) {
  if (message.has_max_retries()) retry->max_retries = message.max_retries();
  if (message.has_base_ms()) retry->base_us = to_us(message.base_ms());
  if (message.has_factor()) retry->factor = message.factor();
  if (message.has_cap_ms()) retry->cap_us = to_us(message.cap_ms());
  if (message.has_jitter()) retry->jitter = message.jitter();
  for (int64_t delay_ms : message.delays_ms()) retry->delays_us.push_back(to_us(delay_ms));
}

void write_retry(const core::RetryPolicy& retry, proto::RetryPolicy* message) {
  message->set_max_retries(retry.max_retries);
  message->set_base_ms(retry.base_us / kMicrosPerMilli);
  message->set_factor(retry.factor);
  message->set_cap_ms(retry.cap_us / kMicrosPerMilli);
  message->set_jitter(retry.jitter);
  for (int64_t delay_us : retry.delays_us) message->add_delays_ms(delay_us / kMicrosPerMilli);
}

void write_position(const core::Position& position, proto::Position* message) {
  if (const auto* offset = std::get_if<Offset>(&position)) {
    message->set_offset(offset->value());
  } else if (const auto* time = std::get_if<core::AppendedAt>(&position)) {
    message->set_time_us(time->value());
  } else if (std::holds_alternative<core::Earliest>(position)) {
    message->set_earliest(true);
  } else {
    message->set_latest(true);
  }
}

}  // namespace

core::Error from_proto(const proto::GroupOptions& message, core::GroupOptions* options) {
  options->filters.assign(message.filters().begin(), message.filters().end());
  options->conditions.assign(message.conditions().begin(), message.conditions().end());
  if (message.has_priority()) options->priority = message.priority();
  if (message.has_ack_deadline_ms()) options->ack_deadline_us = to_us(message.ack_deadline_ms());
  if (message.has_max_in_flight()) options->max_in_flight = message.max_in_flight();
  read_retry(message.retry(), &options->retry);
  if (message.has_cooldown_ms()) options->cooldown_us = to_us(message.cooldown_ms());
  if (message.has_dlq_entries()) options->dlq_entries = message.dlq_entries();
  if (message.has_dlq_bytes()) options->dlq_bytes = message.dlq_bytes();
  if (message.dlq_overflow() == kDropOldest) {
    options->dlq_overflow = core::GroupOptions::Overflow::drop_oldest;
  } else if (!message.dlq_overflow().empty() && message.dlq_overflow() != kBlock) {
    return invalid("dlq_overflow", "block or drop_oldest, got '" + message.dlq_overflow() + "'");
  }
  if (message.ordering() == kKey) {
    options->ordering = core::GroupOptions::Ordering::key;
  } else if (!message.ordering().empty() && message.ordering() != kNone) {
    return invalid("ordering", "none or key, got '" + message.ordering() + "'");
  }
  if (message.from().at_case() != proto::Position::AT_NOT_SET) {
    options->from = from_proto(message.from());
  }
  if (message.has_schema_from()) options->schema_from = message.schema_from();
  if (message.has_schema_to()) options->schema_to = message.schema_to();
  if (message.keep_attempts() == kAll) {
    options->keep_attempts = core::GroupOptions::KeepAttempts::all;
  } else if (!message.keep_attempts().empty() && message.keep_attempts() != kFailed) {
    return invalid("keep_attempts", "failed or all, got '" + message.keep_attempts() + "'");
  }
  if (message.version_mismatch() == kDeadLetter) {
    options->version_mismatch = core::GroupOptions::VersionMismatch::dead_letter;
  } else if (!message.version_mismatch().empty() && message.version_mismatch() != kSkip) {
    return invalid("version_mismatch",
                   "skip or dead-letter, got '" + message.version_mismatch() + "'");
  }
  return {};
}

void to_proto(const core::GroupOptions& options, proto::GroupOptions* message) {
  for (const auto& filter : options.filters) message->add_filters(filter);
  for (const auto& condition : options.conditions) message->add_conditions(condition);
  message->set_priority(options.priority);
  message->set_ack_deadline_ms(options.ack_deadline_us / kMicrosPerMilli);
  message->set_max_in_flight(options.max_in_flight);
  write_retry(options.retry, message->mutable_retry());
  message->set_cooldown_ms(options.cooldown_us / kMicrosPerMilli);
  message->set_dlq_entries(options.dlq_entries);
  message->set_dlq_bytes(options.dlq_bytes);
  const bool block = options.dlq_overflow == core::GroupOptions::Overflow::block;
  message->set_dlq_overflow(std::string(block ? kBlock : kDropOldest));
  const bool by_key = options.ordering == core::GroupOptions::Ordering::key;
  message->set_ordering(std::string(by_key ? kKey : kNone));
  write_position(options.from, message->mutable_from());
  if (options.schema_from != 0) message->set_schema_from(options.schema_from);
  if (options.schema_to != 0) message->set_schema_to(options.schema_to);
  if (options.version_mismatch == core::GroupOptions::VersionMismatch::dead_letter) {
    message->set_version_mismatch(std::string(kDeadLetter));
  }
  const bool keeps_all = options.keep_attempts == core::GroupOptions::KeepAttempts::all;
  message->set_keep_attempts(std::string(keeps_all ? kAll : kFailed));
}

namespace {

void write_dlq(const core::GroupOptions& options, const core::AckedStats& stats,
               proto::DlqState* message) {
  message->set_entries(stats.dead_letters);
  message->set_bytes(stats.dead_letter_bytes);
  message->set_quota_entries(options.dlq_entries);
  message->set_quota_bytes(options.dlq_bytes);
  message->set_level(std::string(core::to_string(stats.dlq_level)));
  message->set_hours_until_full(stats.dlq_hours_until_full);
  message->set_blocked(stats.blocked);
  message->set_dropped(stats.dropped);
}

}  // namespace

void add_acked(const core::GroupRecord& record, const core::AckedStats& stats,
               proto::DescribeGroupOk* message) {
  message->set_kind("acked");
  message->set_state(std::string(core::to_string(stats.state)));
  to_proto(record.options, message->mutable_options());
  message->set_version(record.version);
  message->set_in_flight(stats.in_flight);
  message->set_retry(stats.retry);
  message->set_dlq(stats.dead_letters);
  message->set_consecutive_failures(stats.consecutive_failures);
  auto* totals = message->mutable_totals();
  totals->set_delivered(stats.delivered);
  totals->set_acked(stats.acked);
  totals->set_failed(stats.failed);
  totals->set_dead(stats.dead);
  totals->set_released(stats.released);
  totals->set_skipped(stats.skipped);
  write_dlq(record.options, stats, message->mutable_dlq_state());
  message->set_last_success_us(stats.last_success_us);
  message->set_last_failure_us(stats.last_failure_us);
  message->set_last_error(clean_utf8(stats.last_error, limits::kErrorTextMax));
  message->set_state_reason(clean_utf8(stats.reason, limits::kErrorTextMax));
  message->set_cooldown_ends_us(stats.cooldown_ends_us);
  message->set_failure_rate(stats.failure_rate);
  message->set_handler_p50_us(stats.handler_p50_us);
  message->set_handler_p95_us(stats.handler_p95_us);
}

core::Error from_proto(const proto::Outcome& message, int index, core::Settle::Outcome* outcome) {
  const auto wrong = [&](const char* field, const std::string& what) {
    return invalid("outcomes[" + std::to_string(index) + "]." + field, what);
  };
  if (message.first_offset() < 0) return wrong("first_offset", "must not be negative");
  if (message.last_offset() < message.first_offset()) {
    return wrong("last_offset", "must not be below first_offset");
  }
  if (!proto::Verdict_IsValid(message.verdict())) return wrong("verdict", "unknown number");
  if (message.has_delay_ms()) {
    constexpr int64_t kMostMs = limits::kRetryDelayUsMax / kMicrosPerMilli;
    if (message.delay_ms() < 0 || message.delay_ms() > kMostMs) {
      return wrong("delay_ms", "0 to " + std::to_string(kMostMs));
    }
    if (message.verdict() != proto::NACK) return wrong("delay_ms", "only a nack has one");
    outcome->delay_us = message.delay_ms() * kMicrosPerMilli;
  }
  outcome->partition = PartitionId(message.partition());
  outcome->lane = LaneId(message.lane());
  outcome->first = Offset(message.first_offset());
  outcome->last = Offset(message.last_offset());
  outcome->attempt = message.attempt();
  outcome->verdict = static_cast<core::Verdict>(message.verdict());
  outcome->error = clean_utf8(message.error(), limits::kErrorTextMax);
  return {};
}

static_assert(static_cast<int>(core::Verdict::ack) == proto::ACK);
static_assert(static_cast<int>(core::Verdict::nack) == proto::NACK);
static_assert(static_cast<int>(core::Verdict::reject) == proto::REJECT);
static_assert(static_cast<int>(core::Verdict::extend) == proto::EXTEND);
static_assert(static_cast<int>(core::Verdict::release) == proto::RELEASE);

// ---- dead letters

std::string dead_letter_id(std::string_view group, uint64_t sequence) {
  return std::string(group) + "@" + std::to_string(sequence);
}

bool parse_sequence(std::string_view text, uint64_t* sequence) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *sequence);
  return parsed.ec == std::errc{} && parsed.ptr == end && *sequence > 0;
}

bool parse_dead_letter_id(std::string_view id, std::string* group, uint64_t* sequence) {
  const size_t at = id.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  *group = std::string(id.substr(0, at));
  return parse_sequence(id.substr(at + 1), sequence);
}

void to_proto(const core::AttemptRecord& attempt, proto::Attempt* message) {
  message->set_number(attempt.number);
  message->set_started_us(attempt.started_us);
  message->set_ended_us(attempt.ended_us);
  message->set_member(clean_utf8(attempt.member, limits::kErrorTextMax));
  message->set_outcome(std::string(core::to_string(attempt.outcome)));
  message->set_error(clean_utf8(attempt.error, limits::kErrorTextMax));
  message->set_lane(attempt.lane.value());
}

void to_proto(const core::GroupRecord& group, const core::Topic& topic,
              const core::DeadLetter& letter, proto::DeadLetter* message, std::string* payload) {
  message->set_id(dead_letter_id(group.name, letter.sequence));
  message->set_group(group.name);
  message->set_topic(topic.name);
  message->set_topic_id(topic.id.value());
  message->set_partition(letter.partition.value());
  message->set_lane(letter.lane.value());
  message->set_offset(letter.offset.value());
  message->set_reason(std::string(core::to_string(letter.reason)));
  message->set_error(clean_utf8(letter.error, limits::kErrorTextMax));
  for (const auto& attempt : letter.attempts) to_proto(attempt, message->add_attempts());
  message->set_dead_us(letter.dead_us);
  message->set_state(letter.redriven_us == 0 ? "dead" : "redriven");
  if (letter.redriven_by != LaneId(0)) {
    message->set_redriven_by(job_id(group.name, letter.redriven_by));
  }
  if (letter.redrive_of != 0)
    message->set_redrive_of(dead_letter_id(group.name, letter.redrive_of));
  proto::DeliveredEvent* event = message->mutable_event();
  bool first = true;  // a letter has one event
  std::string scratch;
  const core::Error error = for_each_record(
      letter.event, &scratch,
      [&](const storage::BatchHeader& header, const storage::RecordView& record) {
        if (!std::exchange(first, false)) return;
        fill_event(record, letter.offset, letter.append_time_us,
                   Epoch(static_cast<uint32_t>(header.leader_epoch)), event, payload);
      });
  if (error) {
    event->Clear();
    event->set_offset(letter.offset.value());
    event->set_append_time_us(letter.append_time_us);
  }
}

}  // namespace headrace::native

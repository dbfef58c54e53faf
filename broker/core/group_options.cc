#include "broker/core/group_options.h"

#include "broker/core/filter.h"
#include "broker/limits.h"
#include "records.pb.h"

namespace headrace::core {
namespace {

Error wrong_option(const char* field, const std::string& what) {
  return Error(ErrorCode::invalid_request, std::string(field) + ": " + what);
}

template <class T>
Error check_range(const char* field, T value, T least, T most, const char* unit) {
  if (value >= least && value <= most) return {};
  return wrong_option(field, std::to_string(least) + " to " + std::to_string(most) + unit +
                                 ", got " + std::to_string(value));
}

Error check_retry(const RetryPolicy& retry) {
  constexpr int64_t kMost = limits::kRetryDelayUsMax;
  if (Error e = check_range("retry.max_retries", retry.max_retries, 0u, limits::kRetriesMax, ""))
    return e;
  if (Error e = check_range<int64_t>("retry.base", retry.base_us, 0, kMost, " µs")) return e;
  if (Error e = check_range<int64_t>("retry.cap", retry.cap_us, 0, kMost, " µs")) return e;
  // Written so that a NaN fails, too.
  if (!(retry.factor >= 1 && retry.factor <= 100)) return wrong_option("retry.factor", "1 to 100");
  if (!(retry.jitter >= 0 && retry.jitter <= 1)) return wrong_option("retry.jitter", "0 to 1");
  if (retry.delays_us.size() > limits::kRetriesMax) {
    return wrong_option("retry.delays", "at most " + std::to_string(limits::kRetriesMax));
  }
  for (int64_t delay_us : retry.delays_us) {
    if (Error e = check_range<int64_t>("retry.delays", delay_us, 0, kMost, " µs")) return e;
  }
  return {};
}

void encode(const Position& from, records::GroupOptions* row) {
  row->set_from(static_cast<uint32_t>(from.index()));
  if (const auto* offset = std::get_if<Offset>(&from)) row->set_from_value(offset->value());
  if (const auto* time = std::get_if<AppendedAt>(&from)) row->set_from_value(time->value());
}

Position decode_position(const records::GroupOptions& row) {
  switch (row.from()) {
    case 0:
      return Earliest{};
    case 2:
      return Offset(row.from_value());
    case 3:
      return AppendedAt(row.from_value());
    default:
      return Latest{};
  }
}

}  // namespace

Error check_options(const GroupOptions& options) {
  if (Error e = check_range("priority", options.priority, 0u, 31u, "")) return e;
  if (Error e = check_range<int64_t>("ack_deadline", options.ack_deadline_us,
                                     limits::kAckDeadlineUsMin, limits::kAckDeadlineUsMax, " µs"))
    return e;
  if (Error e = check_range("max_in_flight", options.max_in_flight, 1u, limits::kInFlightMax, ""))
    return e;
  if (Error e = check_retry(options.retry)) return e;
  if (Error e = check_range<int64_t>("cooldown", options.cooldown_us, limits::kCooldownUsMin,
                                     limits::kCooldownUsMax, " µs"))
    return e;
  if (Error e = check_range("dlq_entries", options.dlq_entries, 1u, limits::kDeadLettersMax, ""))
    return e;
  if (Error e = check_range<int64_t>("dlq_bytes", options.dlq_bytes, 1, INT64_MAX, "")) return e;
  if (const auto* offset = std::get_if<Offset>(&options.from); offset && offset->value() < 0) {
    return wrong_option("from", "an offset must not be negative");
  }
  if (options.schema_from < 0) return wrong_option("schema_from", "must not be negative");
  if (options.schema_to < 0) return wrong_option("schema_to", "must not be negative");
  if (options.schema_to != 0 && options.schema_to < options.schema_from) {
    return wrong_option("schema_to", "must not be below schema_from");
  }
  if (options.version_mismatch != GroupOptions::VersionMismatch::skip && options.schema_from == 0 &&
      options.schema_to == 0) {
    return wrong_option("version_mismatch", "needs schema_from or schema_to");
  }
  Filter filter;
  return compile_filter(options, &filter);
}

Error compile_filter(const GroupOptions& options, Filter* filter) {
  FilterSpec spec;
  spec.patterns = options.filters;
  for (size_t i = 0; i < options.conditions.size(); ++i) {
    Condition condition;
    if (Error error = parse_condition(options.conditions[i], &condition)) {
      error.detail = "conditions[" + std::to_string(i) + "]: " + error.detail;
      return error;
    }
    spec.conditions.push_back(std::move(condition));
  }
  spec.schema_from = options.schema_from;
  spec.schema_to = options.schema_to;
  return Filter::compile(spec, filter);
}

void encode(const GroupOptions& options, records::GroupOptions* row) {
  for (const auto& filter : options.filters) row->add_filters(filter);
  for (const auto& condition : options.conditions) row->add_conditions(condition);
  row->set_priority(options.priority);
  row->set_ack_deadline_us(options.ack_deadline_us);
  row->set_max_in_flight(options.max_in_flight);
  auto* retry = row->mutable_retry();
  retry->set_max_retries(options.retry.max_retries);
  retry->set_base_us(options.retry.base_us);
  retry->set_factor(options.retry.factor);
  retry->set_cap_us(options.retry.cap_us);
  retry->set_jitter(options.retry.jitter);
  for (int64_t delay_us : options.retry.delays_us) retry->add_delays_us(delay_us);
  row->set_cooldown_us(options.cooldown_us);
  row->set_dlq_entries(options.dlq_entries);
  row->set_dlq_bytes(options.dlq_bytes);
  row->set_dlq_overflow(static_cast<uint32_t>(options.dlq_overflow));
  row->set_ordering(static_cast<uint32_t>(options.ordering));
  encode(options.from, row);
  row->set_schema_from(options.schema_from);
  row->set_schema_to(options.schema_to);
  row->set_keep_attempts(static_cast<uint32_t>(options.keep_attempts));
  row->set_version_mismatch(static_cast<uint32_t>(options.version_mismatch));
}

GroupOptions decode_options(const records::GroupOptions& row) {
  GroupOptions options;
  options.filters.assign(row.filters().begin(), row.filters().end());
  options.conditions.assign(row.conditions().begin(), row.conditions().end());
  options.priority = row.priority();
  options.ack_deadline_us = row.ack_deadline_us();
  options.max_in_flight = row.max_in_flight();
  options.retry.max_retries = row.retry().max_retries();
  options.retry.base_us = row.retry().base_us();
  options.retry.factor = row.retry().factor();
  options.retry.cap_us = row.retry().cap_us();
  options.retry.jitter = row.retry().jitter();
  options.retry.delays_us.assign(row.retry().delays_us().begin(), row.retry().delays_us().end());
  options.cooldown_us = row.cooldown_us();
  options.dlq_entries = row.dlq_entries();
  options.dlq_bytes = row.dlq_bytes();
  options.dlq_overflow = static_cast<GroupOptions::Overflow>(row.dlq_overflow());
  options.ordering = static_cast<GroupOptions::Ordering>(row.ordering());
  options.from = decode_position(row);
  options.schema_from = row.schema_from();
  options.schema_to = row.schema_to();
  options.keep_attempts = static_cast<GroupOptions::KeepAttempts>(row.keep_attempts());
  options.version_mismatch = static_cast<GroupOptions::VersionMismatch>(row.version_mismatch());
  return options;
}

}  // namespace headrace::core

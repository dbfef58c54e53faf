#include "broker/core/option_changes.h"

#include "metrics/quantity.h"

namespace headrace::core {
namespace {

std::string text_of(uint32_t number) {
  return std::to_string(number);
}

std::string text_of(int32_t number) {
  return std::to_string(number);
}

std::string text_of(double number) {
  std::string text = std::to_string(number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string text_of(GroupOptions::Overflow overflow) {
  return overflow == GroupOptions::Overflow::block ? "block" : "drop_oldest";
}

std::string duration(int64_t us) {
  return format_duration_us(us);
}

template <class Items, class Text>
std::string joined(const Items& items, Text&& text) {
  std::string all;
  for (const auto& item : items) {
    if (!all.empty()) all += ", ";
    all += text(item);
  }
  return all;
}

std::string list(const std::vector<std::string>& items) {
  return joined(items, [](const std::string& item) { return item; });
}

std::string delays(const std::vector<int64_t>& items) {
  return joined(items, duration);
}

}  // namespace

// Names as in the JSON of a group. Ordering and start never change.
std::vector<AuditChange> option_changes(const GroupOptions& before, const GroupOptions& after) {
  std::vector<AuditChange> changes;
  const auto compare = [&](const char* field, const auto& old, const auto& now, auto&& text) {
    if (old != now) changes.push_back({field, text(old), text(now)});
  };
  const auto plain = [](const auto& value) { return text_of(value); };
  compare("filters", before.filters, after.filters, list);
  compare("conditions", before.conditions, after.conditions, list);
  compare("priority", before.priority, after.priority, plain);
  compare("ack_deadline", before.ack_deadline_us, after.ack_deadline_us, duration);
  compare("max_in_flight", before.max_in_flight, after.max_in_flight, plain);
  compare("max_retries", before.retry.max_retries, after.retry.max_retries, plain);
  compare("retry_base", before.retry.base_us, after.retry.base_us, duration);
  compare("retry_factor", before.retry.factor, after.retry.factor, plain);
  compare("retry_cap", before.retry.cap_us, after.retry.cap_us, duration);
  compare("retry_jitter", before.retry.jitter, after.retry.jitter, plain);
  compare("retry_delays", before.retry.delays_us, after.retry.delays_us, delays);
  compare("cooldown", before.cooldown_us, after.cooldown_us, duration);
  compare("dlq_entries", before.dlq_entries, after.dlq_entries, plain);
  compare("dlq_bytes", before.dlq_bytes, after.dlq_bytes, format_size);
  compare("dlq_overflow", before.dlq_overflow, after.dlq_overflow, plain);
  compare("schema_from", before.schema_from, after.schema_from, plain);
  compare("schema_to", before.schema_to, after.schema_to, plain);
  compare("keep_attempts", before.keep_attempts, after.keep_attempts,
          [](GroupOptions::KeepAttempts word) {
            return word == GroupOptions::KeepAttempts::failed ? "failed" : "all";
          });
  compare("version_mismatch", before.version_mismatch, after.version_mismatch,
          [](GroupOptions::VersionMismatch word) {
            return word == GroupOptions::VersionMismatch::skip ? "skip" : "dead-letter";
          });
  return changes;
}

}  // namespace headrace::core

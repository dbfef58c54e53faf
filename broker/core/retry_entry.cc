#include "broker/core/retry_entry.h"

#include "broker/core/attempts.h"
#include "metrics/check.h"
#include "records.pb.h"
#include "storage/keys.h"

namespace headrace::core {

std::string_view to_string(FailureReason reason) {
  switch (reason) {
    case FailureReason::nack:
      return "nack";
    case FailureReason::timeout:
      return "timeout";
    case FailureReason::rejected:
      return "rejected";
    case FailureReason::expired:
      return "expired";
    case FailureReason::undecodable:
      return "undecodable";
    case FailureReason::lost_members:
      return "lost_members";
    case FailureReason::schema_violation:
      return "schema_violation";
    case FailureReason::schema_version:
      return "schema_version";
    case FailureReason::acked:
      return "acked";
  }
  return "invalid";
}

void encode(const AttemptRecord& attempt, records::Attempt* row) {
  row->set_number(attempt.number);
  row->set_started_us(attempt.started_us);
  row->set_ended_us(attempt.ended_us);
  row->set_member(attempt.member);
  row->set_outcome(static_cast<uint32_t>(attempt.outcome));
  row->set_error(attempt.error);
  row->set_lane(attempt.lane.value());
}

AttemptRecord decode(const records::Attempt& row) {
  return {row.number(),
          row.started_us(),
          row.ended_us(),
          row.member(),
          static_cast<FailureReason>(row.outcome()),
          row.error(),
          LaneId(row.lane())};
}

std::string RetryEntry::encode() const {
  records::Retry row;
  for (const auto& past : attempts) core::encode(past, row.add_attempts());
  row.set_blocked(due_us == kNever);
  if (due_us == kNever && attempts.empty()) {
    row.set_reason(static_cast<uint32_t>(reason));
    row.set_error(error);
  }
  row.set_letter(letter);
  row.set_key(key);
  return row.SerializeAsString();
}

std::optional<RetryEntry> decode_retry(std::string_view key, std::string_view value) {
  const auto parts = storage::parse_retry_key(key);
  records::Retry row;
  if (!parts || !row.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return std::nullopt;
  }
  RetryEntry entry;
  entry.due_us = parts->due_us;
  entry.offset = parts->offset;
  entry.attempt = parts->attempt;
  entry.letter = row.letter();
  if (row.has_reason()) entry.reason = static_cast<FailureReason>(row.reason());
  entry.error = row.error();
  entry.key = row.key();
  for (const auto& attempt : row.attempts()) entry.attempts.push_back(decode(attempt));
  return entry;
}

}  // namespace headrace::core

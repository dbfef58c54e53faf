// An event of a group that failed and waits for its next attempt: a row of the family retry.
// Persistent form: records.Retry.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/types.h"

namespace headrace::core {

enum class FailureReason : uint8_t {  // persistent numbers
  nack = 0,
  timeout = 1,
  rejected = 2,
  expired = 3,
  undecodable = 4,
  lost_members = 5,
  schema_violation = 6,  // of a type in mode dead-letter; never delivered
  schema_version = 7,    // outside the group's range; never delivered
  acked = 8,             // of an attempt that ended well, where a group keeps these
};
std::string_view to_string(FailureReason reason);

// One attempt that is over; nearly always it failed. Times: wall clock.
struct AttemptRecord {
  uint32_t number = 1;
  int64_t started_us = 0;
  int64_t ended_us = 0;
  std::string member;
  FailureReason outcome = FailureReason::nack;
  std::string error;        // at most limits::kErrorTextMax
  LaneId lane = LaneId(0);  // of a job
};

struct RetryEntry {
  static constexpr int64_t kNever = INT64_MAX;
  static constexpr int64_t kBehindKey = INT64_MAX - 1;

  // Wall clock; kNever: blocked, the dead letters are full; kBehindKey: an earlier event of its key
  // is not over, and nothing was tried with this one.
  int64_t due_us = 0;
  Offset offset;
  uint32_t attempt = 0;  // the next one
  std::vector<AttemptRecord> attempts;
  // Blocked without an attempt: why. Otherwise the last attempt says it.
  FailureReason reason = FailureReason::undecodable;
  std::string error;
  uint64_t key = 0;               // hash of its key where these are ordered (key_order.h)
  uint64_t letter = 0;            // redriven: the dead letter that holds the event; 0: the log
  uint64_t written_sequence = 0;  // the set that holds it; not acted on before that is durable

  std::string encode() const;
};
using RetryEntryPtr = std::shared_ptr<const RetryEntry>;

// Key and value of a row.
std::optional<RetryEntry> decode_retry(std::string_view key, std::string_view value);

}  // namespace headrace::core

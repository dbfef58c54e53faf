// What an acked group is told when it is made: which events, how failures are retried, what a
// member may hold. Plain values, checked once; kept in the catalog record of the group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/error.h"
#include "metrics/time.h"
#include "storage/types.h"

namespace headrace::records {
class GroupOptions;
}

namespace headrace::core {

class Filter;

struct Earliest {
  bool operator==(const Earliest&) const = default;
};
struct Latest {
  bool operator==(const Latest&) const = default;
};
using AppendedAt =
    Id<struct AppendedAtTag, int64_t>;  // µs UTC: the first event appended at or after
using Position = std::variant<Earliest, Latest, Offset, AppendedAt>;

// When a failed attempt is tried again: base × factor^n after the n-th failure (n from 1), at most
// cap, or the n-th of an explicit list, whose last one repeats.
struct RetryPolicy {
  uint32_t max_retries = 3;
  int64_t base_us = 60 * kMicrosPerSecond;
  double factor = 2;
  int64_t cap_us = 86'400 * kMicrosPerSecond;
  double jitter = 0.1;  // of the delay, added: spreads what failed together
  std::vector<int64_t> delays_us;

  bool operator==(const RetryPolicy&) const = default;
};

struct GroupOptions {
  enum class Overflow : uint8_t { block = 0, drop_oldest = 1 };  // persistent numbers
  enum class Ordering : uint8_t { none = 0, key = 1 };
  enum class VersionMismatch : uint8_t { skip = 0, dead_letter = 1 };
  enum class KeepAttempts : uint8_t { failed = 0, all = 1 };

  std::vector<std::string> filters;     // docs/patterns.md; none: every event
  std::vector<std::string> conditions;  // all must hold
  uint32_t priority = 16;               // 0-31, higher first
  int64_t ack_deadline_us = 30 * kMicrosPerSecond;
  uint32_t max_in_flight = 2'000;  // per partition
  RetryPolicy retry;
  int64_t cooldown_us = 30 * kMicrosPerSecond;
  uint32_t dlq_entries = 10'000;
  int64_t dlq_bytes = int64_t{1} << 30;
  Overflow dlq_overflow = Overflow::block;
  Ordering ordering = Ordering::none;
  Position from = Latest{};
  int32_t schema_from = 0;  // 0: no bound
  int32_t schema_to = 0;
  VersionMismatch version_mismatch = VersionMismatch::skip;
  KeepAttempts keep_attempts = KeepAttempts::failed;  // all: an ack leaves a row, too

  bool operator==(const GroupOptions&) const = default;
};

// Names the field that is out of range; filters and conditions are parsed as well.
Error check_options(const GroupOptions& options);

Error compile_filter(const GroupOptions& options, Filter* filter);

void encode(const GroupOptions& options, records::GroupOptions* row);
GroupOptions decode_options(const records::GroupOptions& row);

}  // namespace headrace::core

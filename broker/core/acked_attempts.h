// What led to the ack of events, of groups that keep all attempts (keep_attempts = all): a row for
// each range that was acked at once, in the set of the ack. Others leave nothing but the position.
//
// A row ends with its block of 256 offsets at the latest, so that those which may hold an event are
// few. Rows go with the log of their partition, or with their group. Persistent form:
// records.AckedAttempts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/retry_entry.h"

namespace headrace::core {

struct AckedAttempts {
  Offset first;
  std::vector<AttemptRecord> attempts;  // the last one is acked

  std::string encode() const;
  static std::optional<AckedAttempts> decode(std::string_view row);
};

// Of the block that holds the offset.
constexpr int64_t kAttemptsBlock = 256;
inline Offset last_of_attempts(Offset offset) {
  return Offset(offset.value() | (kAttemptsBlock - 1));
}

}  // namespace headrace::core

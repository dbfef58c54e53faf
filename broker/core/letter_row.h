// DeadLetter ↔ its row in the family dlq (records.DeadLetter), and which letters a selection means.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/api_acked.h"
#include "broker/core/filter.h"
#include "storage/store.h"

namespace headrace::core {

std::string encode_letter(const DeadLetter& letter);
bool decode_letter(std::string_view key, const SharedBytes& value, DeadLetter* letter);

// The conditions of docs/patterns.md on the letter's event; `reason` is the letter's own. Without
// conditions every letter matches. Compiled once, then const.
class LetterFilter {
 public:
  // invalid_request naming the condition; *filter is untouched then.
  static Error compile(const std::vector<std::string>& conditions, LetterFilter* filter);

  bool matches(const DeadLetter& letter) const;
  // matches() of the letter's row, of which no more is read than conditions need; a row that does
  // not parse matches.
  bool matches_row(std::string_view row) const;
  bool everything() const { return reasons_.empty() && !reads_events_; }

 private:
  bool matches(FailureReason reason, std::span<const std::byte> event) const;

  std::vector<ConditionTest> reasons_;
  Filter events_;
  bool reads_events_ = false;
};

}  // namespace headrace::core

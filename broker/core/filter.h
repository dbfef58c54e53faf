// What a group, a replay or a redrive wants of a topic: events whose type matches any of its
// patterns, whose schema version is in its range, and for which all of its conditions hold. Without
// patterns every type matches, without conditions nothing else is asked. Language:
// docs/patterns.md.
//
// Compiled once, then const: may be shared by all objects of a shard.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/condition.h"
#include "broker/core/error.h"
#include "broker/core/pattern.h"
#include "storage/batch.h"
#include "storage/chunk.h"

namespace headrace::core {

// As it is declared and stored.
struct FilterSpec {
  std::vector<std::string> patterns;
  std::vector<Condition> conditions;
  // Of ce_schemaversion, inclusive; 0: no bound. An event without one is of version 1.
  int32_t schema_from = 0;
  int32_t schema_to = 0;

  bool operator==(const FilterSpec&) const = default;
};

// The ce_type of a record; empty if it has none. False: the headers are damaged.
bool read_type(const storage::RecordView& record, std::string_view* type);

// A record with its type, which whoever walks a batch reads once for all groups. Views; the
// record block must live as long.
struct EventView {
  std::string_view type;
  const storage::RecordView& record;
};

class Filter {
 public:
  enum class Outcome : uint8_t {
    matches,
    wrong_type,
    wrong_condition,
    wrong_version,  // and nothing else
    damaged_headers
  };
  struct Verdict {
    Outcome outcome = Outcome::matches;
    uint32_t condition = 0;  // which one, if it was one

    bool operator==(const Verdict&) const = default;
  };

  Filter() = default;  // everything
  // invalid_request naming the field, `patterns[2]` or `conditions[0]`; *filter is untouched then.
  static Error compile(const FilterSpec& spec, Filter* filter);

  bool matches(const EventView& event) const { return check(event).outcome == Outcome::matches; }
  // Why not, for explain.
  Verdict check(const EventView& event) const;
  // The two parts, for callers that know the first one from a Matcher.
  bool matches_type(std::string_view type) const;
  Verdict check_conditions(const storage::RecordView& record) const;

  // How many events of a batch or a chunk have a type that matches: no fewer can match. nullopt:
  // their types are unknown.
  std::optional<uint64_t> count_types(std::span<const storage::Summary::TypeCount> types,
                                      bool types_unknown) const;
  // False only if no event in there matches.
  bool may_match(const storage::Summary& batch) const;
  bool may_match(const storage::ChunkRow& chunk) const;  // open chunks, too

  // What is wrong with the version of an event that it does not let through.
  std::string version_mismatch(const storage::RecordView& record) const;
  // True if count_types() is exact: no condition narrows it.
  bool only_types() const { return tests_.empty() && !has_range(); }
  const std::vector<Pattern>& patterns() const { return patterns_; }
  const FilterSpec& spec() const { return spec_; }

 private:
  bool has_range() const { return spec_.schema_from != 0 || spec_.schema_to != 0; }
  Outcome check_version(const storage::RecordView& record) const;
  Verdict check_tests(const storage::RecordView& record) const;

  FilterSpec spec_;
  std::vector<Pattern> patterns_{1};  // `*`
  std::vector<ConditionTest> tests_;  // of spec_.conditions
};

}  // namespace headrace::core

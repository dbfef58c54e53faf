#include "broker/core/filter.h"

#include <algorithm>

#include "broker/core/schema_record.h"
#include "broker/limits.h"
#include "metrics/utf8.h"
#include "storage/event_attributes.h"

namespace headrace::core {
namespace {

using Outcome = Filter::Outcome;

static_assert(limits::kConditionsPerGroup <= 32, "one bit each, below");

Error named(const char* field, size_t number, Error error) {
  error.detail = std::string(field) + '[' + std::to_string(number) + "]: " + error.detail;
  return error;
}

Error too_many(const char* field, size_t count, size_t most) {
  return Error(
      ErrorCode::invalid_request,
      std::string(field) + ": at most " + std::to_string(most) + ", got " + std::to_string(count));
}

uint32_t lowest(uint32_t bits) {
  return static_cast<uint32_t>(__builtin_ctz(bits));
}

}  // namespace

bool read_type(const storage::RecordView& record, std::string_view* type) {
  *type = {};
  const char* at = record.headers_raw.data();
  const char* const end = at + record.headers_raw.size();
  storage::HeaderView header;
  for (int32_t i = 0; i < record.header_count; ++i) {
    at = storage::read_record_header(at, end, &header);
    if (at == nullptr) return false;
    if (header.key != "ce_type") continue;
    if (header.value) *type = *header.value;
    return true;
  }
  return true;
}

Error Filter::compile(const FilterSpec& spec, Filter* filter) {
  if (spec.patterns.size() > limits::kPatternsPerGroup) {
    return too_many("patterns", spec.patterns.size(), limits::kPatternsPerGroup);
  }
  if (spec.conditions.size() > limits::kConditionsPerGroup) {
    return too_many("conditions", spec.conditions.size(), limits::kConditionsPerGroup);
  }
  Filter compiled;
  compiled.spec_ = spec;
  if (!spec.patterns.empty()) compiled.patterns_.clear();
  for (size_t i = 0; i < spec.patterns.size(); ++i) {
    Pattern pattern;
    if (Error error = Pattern::parse(spec.patterns[i], &pattern)) {
      return named("patterns", i, std::move(error));
    }
    compiled.patterns_.push_back(std::move(pattern));
  }
  for (size_t i = 0; i < spec.conditions.size(); ++i) {
    if (Error error = check_condition(spec.conditions[i])) {
      return named("conditions", i, std::move(error));
    }
    compiled.tests_.emplace_back(spec.conditions[i]);
  }
  *filter = std::move(compiled);
  return {};
}

Filter::Verdict Filter::check(const EventView& event) const {
  if (!matches_type(event.type)) return {Outcome::wrong_type};
  return check_conditions(event.record);
}

bool Filter::matches_type(std::string_view type) const {
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const Pattern& pattern) { return pattern.matches(type); });
}

Filter::Outcome Filter::check_version(const storage::RecordView& record) const {
  std::optional<int32_t> version = kUnversioned;
  bool stated = false;
  const bool whole = storage::for_each_header(record, [&](const storage::HeaderView& header) {
    if (stated || header.key != storage::kHeaderSchemaVersion) return;
    stated = true;
    version = parse_schema_version(header.value.value_or(std::string_view()));
  });
  if (!whole) return Outcome::damaged_headers;
  const bool fits = version && *version >= spec_.schema_from &&
                    (spec_.schema_to == 0 || *version <= spec_.schema_to);
  return fits ? Outcome::matches : Outcome::wrong_version;
}

std::string Filter::version_mismatch(const storage::RecordView& record) const {
  const auto stated = record.header(storage::kHeaderSchemaVersion);
  const std::string version =
      stated ? clean_utf8(*stated, limits::kNameMax) : std::to_string(kUnversioned);
  return "schema version " + version + " is not " + std::to_string(std::max(spec_.schema_from, 1)) +
         " to " + (spec_.schema_to == 0 ? "any" : std::to_string(spec_.schema_to));
}

// The version comes last: what it alone keeps out may be of interest.
Filter::Verdict Filter::check_conditions(const storage::RecordView& record) const {
  const Verdict verdict = check_tests(record);
  if (verdict.outcome != Outcome::matches || !has_range()) return verdict;
  return {check_version(record)};
}

// One pass over the headers for all conditions; it ends with the first that does not hold.
Filter::Verdict Filter::check_tests(const storage::RecordView& record) const {
  uint32_t open = 0;  // bit i: condition i has not met its value yet
  for (uint32_t i = 0; i < tests_.size(); ++i) {
    if (tests_[i].source() != ConditionTest::Source::key) {
      open |= uint32_t{1} << i;
    } else if (!record.key || !tests_[i].holds(*record.key)) {
      return {Outcome::wrong_condition, i};
    }
  }
  if (open == 0) return {};
  const char* at = record.headers_raw.data();
  const char* const end = at + record.headers_raw.size();
  storage::HeaderView header;
  for (int32_t n = 0; n < record.header_count && open != 0; ++n) {
    at = storage::read_record_header(at, end, &header);
    if (at == nullptr) return {Outcome::damaged_headers};
    for (uint32_t left = open; left != 0; left &= left - 1) {
      const uint32_t i = lowest(left);
      if (!tests_[i].reads_header(header.key)) continue;
      if (!tests_[i].holds(header.value.value_or(std::string_view()))) {
        return {Outcome::wrong_condition, i};
      }
      open &= ~(uint32_t{1} << i);
    }
  }
  if (open != 0) return {Outcome::wrong_condition, lowest(open)};
  return {};
}

std::optional<uint64_t> Filter::count_types(std::span<const storage::Summary::TypeCount> types,
                                            bool types_unknown) const {
  if (types_unknown) return std::nullopt;
  uint64_t count = 0;
  for (const storage::Summary::TypeCount& type : types) {
    if (matches_type(type.type)) count += type.count;
  }
  return count;
}

bool Filter::may_match(const storage::Summary& batch) const {
  return count_types(batch.types, batch.types_unknown) != uint64_t{0};
}

bool Filter::may_match(const storage::ChunkRow& chunk) const {
  if (count_types(chunk.types, chunk.types_unknown) == uint64_t{0}) return false;
  if (chunk.bloom.bytes().empty()) return true;  // an open chunk has none yet
  return std::all_of(spec_.conditions.begin(), spec_.conditions.end(), [&](const Condition& one) {
    // What the bloom filter knows. An empty id counts as none there.
    if (one.op != Condition::Op::equal || one.value.empty()) return true;
    if (one.name == "key") return chunk.may_contain(storage::Lookup::key, one.value);
    if (one.name == "id") return chunk.may_contain(storage::Lookup::id, one.value);
    if (one.name != "correlationid") return true;
    return chunk.may_contain(storage::Lookup::correlation_id, one.value);
  });
}

}  // namespace headrace::core

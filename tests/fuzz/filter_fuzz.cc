// Filters from strangers: parsing patterns and conditions never crashes, what parses prints to the
// same, and the matcher agrees with the pattern. The first line is the pattern, the second the type
// it is tried on, the third the condition, the fourth the value it is tried on.
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/core/filter.h"
#include "broker/core/matcher.h"
#include "metrics/check.h"

namespace {

using namespace headrace::core;

std::string_view take_line(std::string_view* rest) {
  const size_t end = std::min(rest->find('\n'), rest->size());
  const std::string_view line = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return line;
}

void try_pattern(std::string_view text, std::string_view type) {
  Pattern pattern;
  if (const Error error = Pattern::parse(text, &pattern)) {
    HR_CHECK(error.code == ErrorCode::invalid_request && !error.detail.empty());
    HR_CHECK(error.detail.size() < 400);
    return;
  }
  HR_CHECK(pattern.text() == text);
  Filter filter;
  HR_CHECK(!Filter::compile({{std::string(text)}, {}}, &filter));
  Matcher matcher;
  const Matcher::Slot slot = matcher.add(filter);
  HR_CHECK(matcher.groups_of(type).contains(slot) == pattern.matches(type));
  HR_CHECK(matcher.steps() <= PatternTrie::kMostSteps);
  HR_CHECK(filter.matches_type(type) == pattern.matches(type));
  if (pattern.tail() == Pattern::Tail::none && text.find('*') == std::string_view::npos) {
    HR_CHECK(pattern.matches(text));
  }
  matcher.remove(slot);
  HR_CHECK(matcher.groups_of(type).empty());
}

void try_condition(std::string_view text, std::string_view value) {
  Condition condition;
  if (const Error error = parse_condition(text, &condition)) {
    HR_CHECK(error.code == ErrorCode::invalid_request && !error.detail.empty());
    HR_CHECK(error.detail.size() < 800);
    HR_CHECK(condition == Condition());
    return;
  }
  HR_CHECK(!check_condition(condition));
  Condition again;
  HR_CHECK(!parse_condition(to_string(condition), &again));
  HR_CHECK(again == condition);
  const ConditionTest test(condition);
  // A number is smaller, equal or greater; what is none is nothing of it.
  if (!is_numeric(condition.op)) return;
  const auto number = parse_number(value);
  auto holds = [&](Condition::Op op) {
    return ConditionTest({condition.name, op, condition.value}).holds(value);
  };
  using Op = Condition::Op;
  const int found =
      holds(Op::less) + holds(Op::greater) + (holds(Op::less_equal) && holds(Op::greater_equal));
  HR_CHECK(found == (number ? 1 : 0));
  HR_CHECK(!test.holds(value) || number.has_value());
}

// As the stored form has it: any bytes in any field.
void try_structured(std::string_view name, std::string_view value, uint8_t op) {
  const Condition condition{std::string(name), static_cast<Condition::Op>(op), std::string(value)};
  if (check_condition(condition)) return;
  Condition again;
  HR_CHECK(!parse_condition(to_string(condition), &again));
  HR_CHECK(again == condition);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view pattern = take_line(&rest);
  const std::string_view type = take_line(&rest);
  try_pattern(pattern, type);
  const std::string_view condition = take_line(&rest);
  try_condition(condition, rest);
  try_structured(pattern, rest, size == 0 ? 0 : data[size - 1] % 10);
  return 0;
}

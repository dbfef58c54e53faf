// Conditions on the key, the attributes and the headers of an event: `grade >= 80`. The language
// and its conformance table are docs/patterns.md. Payloads are opaque: nothing here looks at them.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/error.h"

namespace headrace::core {

// The structured form: what is stored and travels. Checked by check_condition() before use.
struct Condition {
  // Persistent numbers: do not change or reuse one.
  enum class Op : uint8_t {
    exists = 1,
    equal = 2,      // byte for byte, like the next two
    not_equal = 3,  // of a value that is there
    prefix = 4,
    less = 5,  // this and the rest: both sides are decimal numbers
    less_equal = 6,
    greater = 7,
    greater_equal = 8,
  };

  std::string name;  // of an attribute, a header, or `key`
  Op op = Op::exists;
  std::string value;  // empty with exists

  bool operator==(const Condition&) const = default;
};

std::string_view to_string(Condition::Op op);  // as it is written
bool is_numeric(Condition::Op op);

// invalid_request naming the field (name, op or value) if it is no condition.
Error check_condition(const Condition& condition);
// `name op value` or `name exists`. invalid_request with the column if it is none; *condition is
// untouched then.
Error parse_condition(std::string_view text, Condition* condition);
// The one way to write it, which parses to the same condition.
std::string to_string(const Condition& condition);

// A decimal number with nothing around it: -1, 80, 7.5, 1e3; at most 64 bytes; as a 64-bit floating
// point number, so whole numbers are exact up to 2^53. nullopt: not a number.
std::optional<double> parse_number(std::string_view text);

// A checked condition, ready to be tried on the values of events.
class ConditionTest {
 public:
  enum class Source : uint8_t {
    key,        // of the record
    attribute,  // a CloudEvents attribute: one header name
    header,     // that header, or the CloudEvents extension of that name: `grade` or `ce_grade`
  };

  explicit ConditionTest(const Condition& condition);  // a checked one

  Source source() const { return source_; }
  const std::string& header_name() const { return header_name_; }
  bool reads_header(std::string_view name) const {
    if (name == header_name_) return true;
    return source_ == Source::header && name.size() == header_name_.size() + 3 &&
           name.starts_with("ce_") && name.ends_with(header_name_);
  }
  bool holds(std::string_view value) const;

 private:
  Source source_;
  Condition::Op op_;
  std::string header_name_;
  std::string value_;
  double number_ = 0;
};

}  // namespace headrace::core

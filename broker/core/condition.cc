#include "broker/core/condition.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "broker/core/parse_error.h"
#include "broker/limits.h"
#include "metrics/check.h"

namespace headrace::core {
namespace {

using Op = Condition::Op;

constexpr size_t kNumberBytes = 64;
constexpr std::string_view kOperators = "exists, ==, !=, ^=, <, <=, > or >=";

// Attributes by their CloudEvents names and the headers that carry them. Other names are headers.
struct Attribute {
  std::string_view name;
  std::string_view header;
};
constexpr std::array<Attribute, 12> kAttributes = {{
    {"type", "ce_type"},
    {"source", "ce_source"},
    {"subject", "ce_subject"},
    {"id", "ce_id"},
    {"time", "ce_time"},
    {"specversion", "ce_specversion"},
    {"dataschema", "ce_dataschema"},
    {"datacontenttype", "content-type"},
    {"correlationid", "ce_correlationid"},
    {"causationid", "ce_causationid"},
    {"schemaversion", "ce_schemaversion"},
    {"traceparent", "traceparent"},
}};

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

// May stand in a value without quotes. What looks like an operator may not: it is a slip, mostly.
bool is_bare_character(char c) {
  constexpr std::string_view kSpecial = "\"'\\<>=!^&|(),;*";
  return !is_control(c) && c != ' ' && kSpecial.find(c) == std::string_view::npos;
}

struct Fault {
  enum class Field : uint8_t { none, name, op, value } field = Field::none;
  std::string why;
};

Fault find_fault(const Condition& condition) {
  using Field = Fault::Field;
  const std::string& name = condition.name;
  if (name.empty()) return {Field::name, "a name is missing"};
  if (name.size() > limits::kNameMax || !std::all_of(name.begin(), name.end(), is_name_character)) {
    return {Field::name,
            "a name is 1-" + std::to_string(limits::kNameMax) + " characters of A-Z a-z 0-9 . _ -"};
  }
  if (name == "data") return {Field::name, "payloads are opaque to filters"};
  if (name.starts_with("hr_")) return {Field::name, "headers that start with hr_ do not exist"};
  if (to_string(condition.op).empty()) return {Field::op, "one of " + std::string(kOperators)};
  if (condition.op == Op::exists && !condition.value.empty()) {
    return {Field::value, "nothing may follow exists"};
  }
  if (condition.value.size() > limits::kConditionValueBytes) {
    return {Field::value, "longer than " + std::to_string(limits::kConditionValueBytes) + " bytes"};
  }
  if (is_numeric(condition.op) && !parse_number(condition.value)) {
    return {Field::value, "a number must follow " + std::string(to_string(condition.op))};
  }
  return {};
}

// Reads a condition from left to right; the first error stops it.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Error parse(Condition* condition) {
    if (text_.size() > limits::kConditionBytes) {
      fail(limits::kConditionBytes,
           "longer than " + std::to_string(limits::kConditionBytes) + " bytes");
      return error_;
    }
    Condition parsed;
    skip_spaces();
    const size_t name_at = at_;
    while (at_ < text_.size() && is_name_character(text_[at_])) parsed.name += text_[at_++];
    if (parsed.name.empty()) fail(at_, "a name is expected: name op value");
    skip_spaces();
    const size_t op_at = at_;
    read_op(&parsed.op);
    skip_spaces();
    const size_t value_at = at_;
    if (!error_ && parsed.op != Op::exists) read_value(&parsed.value);
    skip_spaces();
    if (!error_ && at_ < text_.size()) fail(at_, "the condition should end here");
    if (!error_) {
      const Fault fault = find_fault(parsed);
      if (fault.field == Fault::Field::name) fail(name_at, fault.why);
      if (fault.field == Fault::Field::op) fail(op_at, fault.why);
      if (fault.field == Fault::Field::value) fail(value_at, fault.why);
    }
    if (!error_) *condition = std::move(parsed);
    return error_;
  }

 private:
  void fail(size_t at, std::string_view why) {
    if (!error_) error_ = parse_error("condition", text_, at, why);
  }

  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  void read_op(Op* op) {
    const std::string_view rest = text_.substr(at_);
    // Two characters before one of them.
    for (const Op one : {Op::equal, Op::not_equal, Op::prefix, Op::less_equal, Op::greater_equal,
                         Op::less, Op::greater, Op::exists}) {
      const std::string_view word = to_string(one);
      if (!rest.starts_with(word)) continue;
      *op = one;
      at_ += word.size();
      return;
    }
    if (rest.starts_with('=')) return fail(at_, "use == to compare");
    fail(at_, "expected " + std::string(kOperators));
  }

  void read_value(std::string* value) {
    if (at_ == text_.size()) return fail(at_, "a value is expected");
    if (text_[at_] == '"') return read_quoted(value);
    const size_t from = at_;
    while (at_ < text_.size() && is_bare_character(text_[at_])) ++at_;
    *value = text_.substr(from, at_ - from);
    if (at_ < text_.size() && !is_space(text_[at_])) {
      fail(at_, "a value with this character must be in double quotes");
    }
  }

  void read_quoted(std::string* value) {
    const size_t from = at_++;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return;
      }
      if (is_control(c)) return fail(at_, "write control characters as \\xNN");
      if (c != '\\') {
        *value += c;
      } else if (!read_escape(value)) {
        return fail(at_, "after a backslash: \", \\ or xNN with NN of 00-1f or 7f");
      }
    }
    fail(from, "the closing quote is missing");
  }

  // At a backslash; moves to the last character of the escape.
  bool read_escape(std::string* value) {
    const std::string_view rest = text_.substr(at_ + 1);
    if (rest.starts_with('"') || rest.starts_with('\\')) {
      *value += rest[0];
      ++at_;
      return true;
    }
    if (rest.size() < 3 || rest[0] != 'x') return false;
    unsigned byte = 0;
    const char* const end = rest.data() + 3;
    const auto [after, failed] = std::from_chars(rest.data() + 1, end, byte, 16);
    // Control characters only: what is UTF-8 stays UTF-8.
    if (failed != std::errc() || after != end || !is_control(static_cast<char>(byte))) return false;
    *value += static_cast<char>(byte);
    at_ += 3;
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  Error error_;
};

}  // namespace

std::string_view to_string(Condition::Op op) {
  switch (op) {
    case Op::exists:
      return "exists";
    case Op::equal:
      return "==";
    case Op::not_equal:
      return "!=";
    case Op::prefix:
      return "^=";
    case Op::less:
      return "<";
    case Op::less_equal:
      return "<=";
    case Op::greater:
      return ">";
    case Op::greater_equal:
      return ">=";
  }
  return {};  // a number from outside
}

bool is_numeric(Condition::Op op) {
  return op >= Op::less && op <= Op::greater_equal;
}

Error check_condition(const Condition& condition) {
  const Fault fault = find_fault(condition);
  switch (fault.field) {
    case Fault::Field::none:
      return {};
    case Fault::Field::name:
      return Error(ErrorCode::invalid_request, "condition name: " + fault.why);
    case Fault::Field::op:
      return Error(ErrorCode::invalid_request, "condition op: " + fault.why);
    case Fault::Field::value:
      return Error(ErrorCode::invalid_request, "condition value: " + fault.why);
  }
  HR_UNREACHABLE("no such field");
}

Error parse_condition(std::string_view text, Condition* condition) {
  return Parser(text).parse(condition);
}

std::string to_string(const Condition& condition) {
  std::string out = condition.name + ' ';
  out += to_string(condition.op);
  if (condition.op == Op::exists) return out;
  const std::string& value = condition.value;
  const bool bare = !value.empty() && std::all_of(value.begin(), value.end(), is_bare_character);
  return out + ' ' + (bare ? value : quoted(value));
}

std::optional<double> parse_number(std::string_view text) {
  // from_chars also takes inf and nan, which are no decimal numbers.
  constexpr std::string_view kCharacters = "0123456789.-+eE";
  if (text.empty() || text.size() > kNumberBytes) return std::nullopt;
  if (text.find_first_not_of(kCharacters) != std::string_view::npos) return std::nullopt;
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [after, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || after != end) return std::nullopt;
  return number;
}

ConditionTest::ConditionTest(const Condition& condition)
    : source_(condition.name == "key" ? Source::key : Source::header),
      op_(condition.op),
      header_name_(condition.name),
      value_(condition.value) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name != condition.name) continue;
    source_ = Source::attribute;
    header_name_ = attribute.header;
  }
  if (is_numeric(op_)) number_ = parse_number(value_).value();
}

bool ConditionTest::holds(std::string_view value) const {
  switch (op_) {
    case Op::exists:
      return true;
    case Op::equal:
      return value == value_;
    case Op::not_equal:
      return value != value_;
    case Op::prefix:
      return value.starts_with(value_);
    default:
      break;
  }
  const std::optional<double> number = parse_number(value);
  if (!number) return false;
  switch (op_) {
    case Op::less:
      return *number < number_;
    case Op::less_equal:
      return *number <= number_;
    case Op::greater:
      return *number > number_;
    case Op::greater_equal:
      return *number >= number_;
    default:
      HR_UNREACHABLE("no such operator");
  }
}

}  // namespace headrace::core

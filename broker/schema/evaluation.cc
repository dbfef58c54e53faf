#include "broker/schema/evaluation.h"

#include "broker/limits.h"

namespace headrace::schema {
namespace {

constexpr int64_t kBytesPerStep = 64;  // of a text that a pattern is looked for in

const RE2& date_pattern() {
  static const RE2 pattern(R"((\d{4})-(\d\d)-(\d\d))");
  return pattern;
}
const RE2& time_pattern() {
  static const RE2 pattern(R"((?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?)"
                           R"((?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))");
  return pattern;
}

bool is_date(re2::StringPiece text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!RE2::FullMatch(text, date_pattern(), &year, &month, &day)) return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool is_time(re2::StringPiece text) {
  return RE2::FullMatch(text, time_pattern());
}

}  // namespace

bool Patterns::add(const std::string& pattern, std::string* why) {
  if (compiled_.contains(pattern)) return true;
  if (compiled_.size() >= limits::kSchemaPatterns) {
    *why = "more than " + std::to_string(limits::kSchemaPatterns) + " patterns";
    return false;
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(limits::kPatternMemory);
  auto compiled = std::make_unique<const RE2>(pattern, options);
  if (!compiled->ok()) {
    *why = "pattern: " + compiled->error();
    return false;
  }
  compiled_.emplace(pattern, std::move(compiled));
  return true;
}

const RE2* Patterns::find(const std::string& pattern) const {
  const auto at = compiled_.find(pattern);
  return at == compiled_.end() ? nullptr : at->second.get();
}

bool Evaluation::enter() {
  if (++depth_ > limits::kValidationDepth) exhausted_ = true;
  return spend(1);
}

bool Evaluation::spend(int64_t steps) {
  *steps_ -= steps;
  if (*steps_ < 0) exhausted_ = true;
  return !exhausted_;
}

bool Evaluation::search(const std::string& pattern, const std::string& text) {
  if (!spend(1 + static_cast<int64_t>(text.size()) / kBytesPerStep)) return false;
  const RE2* compiled = patterns_.find(pattern);
  if (compiled != nullptr) return RE2::PartialMatch(text, *compiled);
  exhausted_ = true;  // what was never compiled is not understood
  return false;
}

const char* Evaluation::check_format(const std::string& format, const std::string& text) {
  spend(1 + static_cast<int64_t>(text.size()) / kBytesPerStep);
  if (format == "date") return is_date(text) ? nullptr : "not a date, as 2026-07-18";
  if (format == "time") return is_time(text) ? nullptr : "not a time, as 16:52:45Z";
  if (format != "date-time") return nullptr;
  const size_t split = text.find_first_of("Tt");
  const bool ok = split != std::string::npos && is_date({text.data(), split}) &&
                  is_time({text.data() + split + 1, text.size() - split - 1});
  return ok ? nullptr : "not a date-time, as 2026-07-18T16:52:45Z";
}

}  // namespace headrace::schema

#include "broker/admin/query.h"

#include <charconv>

#include "broker/limits.h"
#include "metrics/quantity.h"
#include "metrics/time.h"

namespace headrace::admin {

void Query::wrong(std::string_view name, std::string_view why) {
  if (error_) return;
  error_ = {core::ErrorCode::invalid_request, std::string(name) + ": " + std::string(why)};
}

std::vector<std::string> Query::texts(std::string_view name) {
  taken_.emplace(name);
  std::vector<std::string> values;
  for (const auto& [key, value] : request_.query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

std::optional<std::string> Query::text(std::string_view name) {
  const auto values = texts(name);
  if (values.size() > 1) wrong(name, "is given more than once");
  if (values.empty()) return std::nullopt;
  return values.front();
}

int64_t Query::time_us(std::string_view name) {
  const auto given = text(name);
  if (!given) return 0;
  const auto time = parse_time_us(*given);
  if (!time || *time <= 0) wrong(name, "an RFC 3339 time after 1970");
  return time.value_or(0);
}

uint32_t Query::limit() {
  return static_cast<uint32_t>(
      number("limit", 1, limits::kPageSizeMax).value_or(limits::kPageSizeDefault));
}

int64_t Query::wait_us() {
  constexpr int64_t kMostUs = int64_t{limits::kHttpWaitMsMax} * kMicrosPerMilli;
  const int64_t wanted_us = form("wait", kDurationExample, parse_duration_us).value_or(0);
  if (wanted_us > kMostUs) wrong("wait", "at most " + format_duration_us(kMostUs));
  return wanted_us;
}

std::optional<int64_t> Query::number(std::string_view name, int64_t least, int64_t most) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  int64_t value = 0;
  const char* end = given->data() + given->size();
  const auto parsed = std::from_chars(given->data(), end, value);
  const bool number = parsed.ec == std::errc() && parsed.ptr == end;
  if (number && value >= least && value <= most) return value;
  wrong(name, "a whole number, " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

bool Query::boolean(std::string_view name) {
  const auto given = text(name);
  if (given && *given != "true" && *given != "false") wrong(name, "true or false");
  return given == "true";
}

core::Error Query::finish() {
  for (const auto& [key, value] : request_.query) {
    if (!taken_.contains(key)) wrong(key, "this route has no such parameter");
  }
  return error_;
}

}  // namespace headrace::admin

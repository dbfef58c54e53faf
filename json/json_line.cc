#include "json/json_line.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "metrics/quantity.h"

namespace headrace {

namespace {
bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
  }
  return true;
}
}  // namespace

void append_json_string(std::string* line, std::string_view text) {
  if (is_plain(text)) {
    line->append(1, '"').append(text).append(1, '"');
    return;
  }
  using Json = nlohmann::json;
  *line += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void JsonLine::name(std::string_view name) {
  if (!first_) *out_ += ',';
  first_ = false;
  out_->append(1, '"').append(name).append("\":");
}

JsonLine& JsonLine::text(std::string_view key, std::string_view value) {
  name(key);
  append_json_string(out_, value);
  return *this;
}

JsonLine& JsonLine::text_or_null(std::string_view key, std::optional<std::string_view> value) {
  return value ? text(key, *value) : null(key);
}

JsonLine& JsonLine::time_or_null(std::string_view key, int64_t wall_us) {
  return wall_us == 0 ? null(key) : text(key, format_time_us(wall_us));
}

JsonLine& JsonLine::number(std::string_view key, int64_t value) {
  name(key);
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out_->append(digits, end.ptr);
  return *this;
}

JsonLine& JsonLine::real(std::string_view key, double value, int decimals) {
  if (!std::isfinite(value)) return null(key);
  name(key);
  char digits[64];
  const int size = std::snprintf(digits, sizeof(digits), "%.*f", decimals, value);
  out_->append(digits, static_cast<size_t>(size));
  return *this;
}

JsonLine& JsonLine::boolean(std::string_view key, bool value) {
  return raw(key, value ? "true" : "false");
}

JsonLine& JsonLine::null(std::string_view key) {
  return raw(key, "null");
}

JsonLine& JsonLine::raw(std::string_view key, std::string_view json) {
  name(key);
  *out_ += json;
  return *this;
}

}  // namespace headrace

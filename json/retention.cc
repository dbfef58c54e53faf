#include "json/retention.h"

#include <charconv>

#include "metrics/quantity.h"

namespace headrace {

namespace {

std::optional<int64_t> number_with(std::string_view text, std::string_view unit) {
  if (!text.ends_with(unit)) return std::nullopt;
  text.remove_suffix(unit.size());
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || number < 0) {
    return std::nullopt;
  }
  return number;
}

bool take_limit(std::string_view text, proto::Retention* retention) {
  if (const auto months = number_with(text, "months"); months && *months <= 12'000) {
    retention->set_months(static_cast<uint32_t>(*months));
  } else if (const auto events = number_with(text, "events")) {
    retention->set_events(*events);
  } else if (const auto age_us = parse_duration_us(text); age_us && *age_us > 0) {
    retention->set_age_ms(*age_us / 1000);
  } else if (const auto bytes = parse_size(text); bytes && *bytes > 0 && text.ends_with("B")) {
    retention->set_bytes(*bytes);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<proto::Retention> parse_retention(std::string_view text) {
  proto::Retention retention;
  if (text == "none") return retention;
  while (true) {
    const size_t comma = text.find(',');
    if (!take_limit(text.substr(0, comma), &retention)) return std::nullopt;
    if (comma == std::string_view::npos) return retention;
    text.remove_prefix(comma + 1);
  }
}

std::string format_retention(const proto::Retention& retention) {
  std::string text;
  const auto add = [&](const std::string& limit) {
    if (!text.empty()) text += ',';
    text += limit;
  };
  if (retention.has_age_ms()) add(format_duration_us(retention.age_ms() * 1000));
  if (retention.has_bytes()) add(format_size(retention.bytes()));
  if (retention.has_events()) add(std::to_string(retention.events()) + "events");
  if (retention.has_months()) add(std::to_string(retention.months()) + "months");
  return text.empty() ? "none" : text;
}

}  // namespace headrace

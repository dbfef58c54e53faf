#include "json/position.h"

#include <charconv>

#include "metrics/quantity.h"

namespace headrace {

std::optional<proto::Position> parse_position(std::string_view text) {
  proto::Position position;
  int64_t offset = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (text == "earliest") {
    position.set_earliest(true);
  } else if (text == "latest") {
    position.set_latest(true);
  } else if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && offset >= 0) {
    position.set_offset(offset);
  } else if (const auto time_us = parse_time_us(text)) {
    position.set_time_us(*time_us);
  } else {
    return std::nullopt;
  }
  return position;
}

std::string format_position(const proto::Position& position) {
  switch (position.at_case()) {
    case proto::Position::kEarliest:
      return "earliest";
    case proto::Position::kOffset:
      return std::to_string(position.offset());
    case proto::Position::kTimeUs:
      return format_time_us(position.time_us());
    default:
      return "latest";
  }
}

}  // namespace headrace

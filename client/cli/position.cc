#include "client/cli/position.h"

#include <charconv>
#include <string>

#include "metrics/quantity.h"

namespace headrace::cli {

client::Result<proto::Position> parse_position(std::string_view text) {
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
    return client::bad_argument("--from: '" + std::string(text) +
                                "' is not earliest, latest, an offset or an RFC 3339 time");
  }
  return position;
}

}  // namespace headrace::cli

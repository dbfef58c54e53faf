#include "client/cli/position.h"

#include <string>

#include "json/position.h"
#include "metrics/quantity.h"

namespace headrace::cli {

client::Result<proto::Position> parse_position(std::string_view text) {
  if (auto position = headrace::parse_position(text)) return *position;
  return client::bad_argument("--from: '" + std::string(text) + "' is not " +
                              std::string(kPositionExample));
}

client::Result<int64_t> parse_bound(const char* flag, const std::string& text) {
  if (text.empty()) return int64_t{0};
  if (const auto time_us = parse_time_us(text)) return *time_us;
  return client::bad_argument(std::string(flag) + ": '" + text + "' is no RFC 3339 time");
}

}  // namespace headrace::cli

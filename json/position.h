// Where reading starts, as text: earliest, latest, an offset or an RFC 3339 time. Pure functions;
// any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "headrace.pb.h"

namespace headrace {

constexpr std::string_view kPositionExample = "earliest, latest, an offset or an RFC 3339 time";
std::optional<proto::Position> parse_position(std::string_view text);
std::string format_position(const proto::Position& position);

}  // namespace headrace

// Durations, sizes and points in time as people write them, in configuration, flags and JSON.
// Parsers take the whole text or nothing; every thread may call them; nothing throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headrace {

// A whole number and one unit: "500us" "250ms" "30s" "5m" "2h" "7d"; "0" needs none.
// In microseconds, never negative.
std::optional<int64_t> parse_duration_us(std::string_view text);
// The largest unit that loses nothing: 90 s is "90s", 120 s is "2m".
std::string format_duration_us(int64_t duration_us);
constexpr std::string_view kDurationExample = "a duration such as 250ms 30s 5m 2h 7d";

// A whole number and one unit: "512B" "64KiB" "16MiB" "1GiB" "2TiB"; no unit means bytes.
std::optional<int64_t> parse_size(std::string_view text);
std::string format_size(int64_t bytes);
constexpr std::string_view kSizeExample = "a size such as 512B 64KiB 16MiB 1GiB";

// RFC 3339 with `Z` or an offset; digits after the microsecond are dropped. Microseconds since
// 1970.
std::optional<int64_t> parse_time_us(std::string_view text);
// UTC with `Z`: three digits after the second (an event's own time), or six (the broker's times).
std::string format_time_ms(int64_t wall_ms);
std::string format_time_us(int64_t wall_us);

}  // namespace headrace

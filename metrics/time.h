// Time as the turn passes it down: read once per turn from the Io seam, by nobody else.
#pragma once

#include <compare>
#include <cstdint>

namespace headrace {

struct Time {
  int64_t mono_us = 0;  // monotonic, from an arbitrary origin: deadlines, durations
  int64_t wall_us = 0;  // UTC since 1970: append times, due times, anything persisted

  auto operator<=>(const Time&) const = default;
};

constexpr int64_t kMicrosPerMilli = 1'000;
constexpr int64_t kMicrosPerSecond = 1'000'000;

}  // namespace headrace

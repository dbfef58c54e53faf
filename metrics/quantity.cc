#include "metrics/quantity.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <span>

namespace headrace {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array<Unit, 6> kDurations{{{"d", 86'400'000'000},
                                          {"h", 3'600'000'000},
                                          {"m", 60'000'000},
                                          {"s", 1'000'000},
                                          {"ms", 1'000},
                                          {"us", 1}}};
constexpr std::array<Unit, 5> kSizes{{{"TiB", int64_t{1} << 40},
                                      {"GiB", int64_t{1} << 30},
                                      {"MiB", int64_t{1} << 20},
                                      {"KiB", int64_t{1} << 10},
                                      {"B", 1}}};

std::optional<int64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                      bool unit_optional) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || number < 0 || text.front() == '-') return std::nullopt;
  const std::string_view unit(at, static_cast<size_t>(end - at));
  if (unit.empty() && (unit_optional || number == 0)) return number;
  for (const Unit& known : units) {
    if (unit != known.name) continue;
    if (number > std::numeric_limits<int64_t>::max() / known.factor) return std::nullopt;
    return number * known.factor;
  }
  return std::nullopt;
}

std::string format_quantity(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return "0" + std::string(units.back().name);
}

// Takes exactly `digits` digits from the front of *text.
bool take_digits(std::string_view* text, size_t digits, int* number) {
  if (text->size() < digits) return false;
  *number = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *number = *number * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool take_one_of(std::string_view* text, std::string_view choices, char* taken) {
  if (text->empty() || choices.find(text->front()) == std::string_view::npos) return false;
  *taken = text->front();
  text->remove_prefix(1);
  return true;
}

bool take_fraction_us(std::string_view* text, int64_t* fraction_us) {
  *fraction_us = 0;
  if (text->empty() || text->front() != '.') return true;
  text->remove_prefix(1);
  size_t digits = 0;
  for (int64_t weight = 100'000; !text->empty() && text->front() >= '0' && text->front() <= '9';
       weight /= 10, ++digits) {
    *fraction_us += (text->front() - '0') * weight;
    text->remove_prefix(1);
  }
  return digits > 0;
}

bool take_offset_us(std::string_view* text, int64_t* offset_us) {
  char sign = 0;
  *offset_us = 0;
  if (!take_one_of(text, "Zz+-", &sign)) return false;
  if (sign == 'Z' || sign == 'z') return text->empty();
  int hours = 0;
  int minutes = 0;
  char colon = 0;
  if (!take_digits(text, 2, &hours) || !take_one_of(text, ":", &colon) ||
      !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59) {
    return false;
  }
  const int64_t seconds = hours * 3600 + minutes * 60;
  *offset_us = (sign == '-' ? -seconds : seconds) * 1'000'000;
  return text->empty();
}

std::string format_time(int64_t seconds, int64_t fraction, int fraction_digits) {
  using namespace std::chrono;
  const sys_seconds at{std::chrono::seconds(seconds)};
  const sys_days day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss clock{at - day};
  char text[64];
  std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%0*dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), fraction_digits, static_cast<int>(fraction));
  return text;
}

int64_t floor_div(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

std::optional<int64_t> parse_duration_us(std::string_view text) {
  return parse_quantity(text, kDurations, false);
}

std::string format_duration_us(int64_t duration_us) {
  return duration_us == 0 ? "0s" : format_quantity(duration_us, kDurations);
}

std::optional<int64_t> parse_size(std::string_view text) {
  return parse_quantity(text, kSizes, true);
}

std::string format_size(int64_t bytes) {
  return format_quantity(bytes, kSizes);
}

std::optional<int64_t> parse_time_us(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  char mark = 0;
  int64_t fraction_us = 0;
  int64_t offset_us = 0;
  const bool shaped = take_digits(&text, 4, &year) && take_one_of(&text, "-", &mark) &&
                      take_digits(&text, 2, &month) && take_one_of(&text, "-", &mark) &&
                      take_digits(&text, 2, &day) && take_one_of(&text, "Tt ", &mark) &&
                      take_digits(&text, 2, &hour) && take_one_of(&text, ":", &mark) &&
                      take_digits(&text, 2, &minute) && take_one_of(&text, ":", &mark) &&
                      take_digits(&text, 2, &second) && take_fraction_us(&text, &fraction_us) &&
                      take_offset_us(&text, &offset_us);
  if (!shaped || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = days * 86'400 + hour * 3600 + minute * 60 + second;
  return seconds * 1'000'000 + fraction_us - offset_us;
}

std::string format_time_ms(int64_t wall_ms) {
  const int64_t seconds = floor_div(wall_ms, 1000);
  return format_time(seconds, wall_ms - seconds * 1000, 3);
}

std::string format_time_us(int64_t wall_us) {
  const int64_t seconds = floor_div(wall_us, 1'000'000);
  return format_time(seconds, wall_us - seconds * 1'000'000, 6);
}

}  // namespace headrace

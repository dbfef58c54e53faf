#include "metrics/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "metrics/quantity.h"

namespace headrace::log {
namespace {

constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warn", "error", "fatal"};
constexpr std::array<std::string_view, 5> kTextNames{"DEBUG", "INFO ", "WARN ", "ERROR", "FATAL"};

std::atomic<Level> least_level{Level::info};
std::atomic<Format> line_format{format_for_standard_error()};

// Names and reasons come from outside at times: whatever their bytes are, the line stays valid.
std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return false;
}

std::string value_text(const Field& field, Format format) {
  return std::visit(
      [&](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::same_as<T, std::string_view>) {
          if (format == Format::text && !needs_quotes(value)) return std::string(value);
          return quoted(value);
        } else {
          return nlohmann::json(value).dump();
        }
      },
      field.value);
}

}  // namespace

Format format_for_standard_error() {
  return isatty(STDERR_FILENO) == 1 ? Format::text : Format::json;
}

void configure(Level least, Format format) {
  least_level.store(least, std::memory_order_relaxed);
  line_format.store(format, std::memory_order_relaxed);
}

Level level() {
  return least_level.load(std::memory_order_relaxed);
}
void set_level(Level least) {
  least_level.store(least, std::memory_order_relaxed);
}

std::string_view level_name(Level level) {
  return kNames[static_cast<size_t>(level)];
}

bool parse_level(std::string_view text, Level* level) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (text != kNames[i]) continue;
    *level = static_cast<Level>(i);
    return true;
  }
  return false;
}

std::string format_line(Format format, int64_t wall_us, Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
  std::string line;
  if (format == Format::json) {
    line += "{\"time\":\"" + format_time_us(wall_us) + "\",\"level\":\"";
    line += level_name(level);
    line += "\",\"message\":" + quoted(message);
    for (const Field& field : fields) {
      line += "," + quoted(field.key) + ":" + value_text(field, format);
    }
    line += "}";
    return line;
  }
  line += format_time_us(wall_us) + " ";
  line += kTextNames[static_cast<size_t>(level)];
  line += " ";
  for (const char c : message) line += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  for (const Field& field : fields) {
    line += " ";
    line += field.key;
    line += "=" + value_text(field, format);
  }
  return line;
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < log::level()) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t wall_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const Format format = line_format.load(std::memory_order_relaxed);
  const std::string line = format_line(format, wall_us, level, message, fields) + "\n";
  // One write call, so that lines of several threads never mix; a broken standard error is no
  // reason to stop a broker.
  ssize_t written = 0;
  do {
    written = ::write(STDERR_FILENO, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
}

}  // namespace headrace::log

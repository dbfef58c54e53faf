// Structured logs: one JSON object a line on standard error, or text on a terminal. Any thread may
// call; lines are written whole. Payloads and secrets are never passed in (rule of the house).
//
// Levels: fatal - the process ends; error - something failed and somebody should look;
// warn - degraded, works on; info - lifecycle; debug - off by default.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace headrace::log {

enum class Level : uint8_t { debug, info, warn, error, fatal };
enum class Format : uint8_t { text, json };

struct Field {
  using Value = std::variant<int64_t, uint64_t, double, bool, std::string_view>;

  template <class T>
  Field(std::string_view field_key, const T& field_value)
      : key(field_key), value(convert(field_value)) {}

  std::string_view key;
  Value value;

 private:
  template <class T>
  static Value convert(const T& v) {
    if constexpr (std::same_as<T, bool>)
      return v;
    else if constexpr (std::signed_integral<T>)
      return static_cast<int64_t>(v);
    else if constexpr (std::unsigned_integral<T>)
      return static_cast<uint64_t>(v);
    else if constexpr (std::floating_point<T>)
      return static_cast<double>(v);
    else
      return std::string_view(v);
  }
};

// Before configure(): level info; text when standard error is a terminal, JSON otherwise.
void configure(Level least, Format format);
Level level();
void set_level(Level least);
Format format_for_standard_error();  // what the above means by default

// "debug info warn error fatal"; false for anything else.
bool parse_level(std::string_view text, Level* level);
std::string_view level_name(Level level);

// One line without its newline, as write() prints it: for tests.
std::string format_line(Format format, int64_t wall_us, Level level, std::string_view message,
                        std::initializer_list<Field> fields);

void write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  if (level() <= Level::debug) write(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, message, fields);
}
inline void warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warn, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, message, fields);
}
inline void fatal(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::fatal, message, fields);
}

}  // namespace headrace::log

// One JSON object on one line, written field by field: publish and consume print millions of them.
// Strings that are plain ASCII are copied; anything else goes through the JSON library. Not UTF-8:
// the caller decides (metrics/utf8.h) and writes base64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headrace {

// A JSON string with its quotes; damaged UTF-8 becomes U+FFFD.
void append_json_string(std::string* line, std::string_view text);

class JsonLine {
 public:
  // Appends to *out, which may hold earlier lines.
  explicit JsonLine(std::string* out) : out_(out) { *out_ += '{'; }

  JsonLine& text(std::string_view name, std::string_view value);
  JsonLine& text_or_null(std::string_view name, std::optional<std::string_view> value);
  JsonLine& time_or_null(std::string_view name, int64_t wall_us);  // 0: null
  JsonLine& number(std::string_view name, int64_t value);
  JsonLine& real(std::string_view name, double value, int decimals);
  JsonLine& boolean(std::string_view name, bool value);
  JsonLine& null(std::string_view name);
  JsonLine& raw(std::string_view name, std::string_view json);  // a value that is JSON already
  void end() { *out_ += "}\n"; }

 private:
  void name(std::string_view name);

  std::string* out_;
  bool first_ = true;
};

}  // namespace headrace

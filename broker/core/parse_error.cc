#include "broker/core/parse_error.h"

#include <algorithm>

#include "metrics/base64.h"

namespace headrace::core {
namespace {

constexpr size_t kShownBefore = 60;
constexpr size_t kShownAfter = 20;

// Moves back to where a UTF-8 sequence begins, so that an excerpt stays text. What has more than
// three of the bytes that go on is none.
size_t boundary(std::string_view text, size_t at) {
  const size_t least = at > 3 ? at - 3 : 0;
  while (at > least && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
    --at;
  return at;
}

}  // namespace

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (is_control(c)) {
      out += "\\x" + encode_base16({&c, 1});
    } else {
      out += c;
    }
  }
  return out + '"';
}

Error parse_error(std::string_view what, std::string_view text, size_t at, std::string_view why) {
  const size_t from = boundary(text, at > kShownBefore ? at - kShownBefore : 0);
  const size_t to = boundary(text, std::min(text.size(), at + kShownAfter));
  std::string detail(what);
  detail += from > 0 ? " …" : " ";
  detail += quoted(text.substr(from, to - from));
  if (to < text.size()) detail += "…";
  detail += ", column " + std::to_string(at + 1) + ": ";
  detail += why;
  return Error(ErrorCode::invalid_request, std::move(detail));
}

}  // namespace headrace::core

#include "broker/core/pattern.h"

#include "broker/core/parse_error.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

// Why a token cannot stand in a pattern; `*offset` is where in it. nullptr: it can.
const char* fault_of(std::string_view token, bool is_last, size_t* offset) {
  *offset = 0;
  if (token.empty()) return "an empty token: tokens stand between single dots";
  if (token == "*") return nullptr;
  if (token == "**") return is_last ? nullptr : "** means the rest and must be the last token";
  if (token == ">" || token == "#") return "not a wildcard here: the rest is **";
  for (; *offset < token.size(); ++*offset) {
    const char c = token[*offset];
    if (c == '*') return "a * must be a token of its own";
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return "spaces and control characters are not allowed";
    }
  }
  return nullptr;
}

}  // namespace

Error Pattern::parse(std::string_view text, Pattern* pattern) {
  auto refuse = [&](size_t at, std::string_view why) {
    return parse_error("pattern", text, at, why);
  };
  if (text.empty()) return refuse(0, "empty; * matches every event");
  if (text.size() > limits::kPatternBytes) {
    return refuse(limits::kPatternBytes,
                  "longer than " + std::to_string(limits::kPatternBytes) + " bytes");
  }
  Pattern parsed;
  parsed.text_ = text;
  parsed.tail_ = Tail::none;
  parsed.head_size_ = text.size();
  size_t tokens = 0;
  size_t stars = 0;
  TypeTokens reader(text);
  for (std::string_view token; reader.next(&token); ++tokens) {
    const auto at = static_cast<size_t>(token.data() - text.data());
    size_t offset = 0;
    if (const char* why = fault_of(token, reader.done(), &offset)) return refuse(at + offset, why);
    if (tokens == limits::kTokensPerPattern) {
      return refuse(at, "more than " + std::to_string(limits::kTokensPerPattern) + " tokens");
    }
    if (token != "*" && token != "**") continue;
    if (reader.done()) {
      parsed.tail_ = text == "*" ? Tail::everything : Tail::rest;
      parsed.head_size_ = at > 0 ? at - 1 : 0;
    } else if (++stars > limits::kStarsPerPattern) {
      return refuse(at, "more than " + std::to_string(limits::kStarsPerPattern) +
                            " tokens * before the last token");
    }
  }
  parsed.has_stars_ = stars > 0;
  *pattern = std::move(parsed);
  return {};
}

bool Pattern::matches(std::string_view type) const {
  if (tail_ == Tail::everything) return true;
  if (type.empty()) return false;
  if (has_stars_) return matches_head_tokens(type);
  if (tail_ == Tail::none) return type == text_;
  if (head_size_ == 0) return true;
  return type.size() > head_size_ && type[head_size_] == '.' && type.starts_with(head());
}

bool Pattern::matches_head_tokens(std::string_view type) const {
  TypeTokens wanted(head());
  TypeTokens tokens(type);
  std::string_view want;
  std::string_view token;
  while (wanted.next(&want)) {
    if (!tokens.next(&token)) return false;
    if (want != "*" && want != token) return false;
  }
  return tokens.done() == (tail_ == Tail::none);
}

}  // namespace headrace::core

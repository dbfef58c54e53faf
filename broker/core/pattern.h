// Patterns over event types, as groups, replays and redrives name what they want. The language and
// its conformance table are docs/patterns.md.
//
// A type is tokens between dots. In a pattern `*` is one token, but a pattern that is just `*` is
// everything, and at the end `.*` and `.**` are the rest: one or more tokens. So nothing ever has
// to be tried twice: matching is one pass over the type.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broker/core/error.h"

namespace headrace::core {

// The tokens of a type: what stands between dots, even nothing. An empty type has none.
class TypeTokens {
 public:
  explicit TypeTokens(std::string_view type) : rest_(type), done_(type.empty()) {}

  bool done() const { return done_; }
  bool next(std::string_view* token) {
    if (done_) return false;
    const size_t dot = rest_.find('.');
    *token = rest_.substr(0, dot);
    done_ = dot == std::string_view::npos;
    if (!done_) rest_.remove_prefix(dot + 1);
    return true;
  }

 private:
  std::string_view rest_;
  bool done_;
};

class Pattern {
 public:
  // What follows the head.
  enum class Tail : uint8_t {
    none,        // nothing: the head is all of the type
    rest,        // one or more tokens
    everything,  // the pattern is `*`: all events, also those without a type
  };

  Pattern() = default;  // `*`
  // invalid_request with the column if it is none; *pattern is untouched then.
  static Error parse(std::string_view text, Pattern* pattern);

  // An empty type is that of an event without one.
  bool matches(std::string_view type) const;

  const std::string& text() const { return text_; }  // as it was written
  std::string_view head() const { return std::string_view(text_).substr(0, head_size_); }
  Tail tail() const { return tail_; }
  bool operator==(const Pattern& other) const { return text_ == other.text_; }

 private:
  bool matches_head_tokens(std::string_view type) const;

  std::string text_ = "*";
  size_t head_size_ = 0;  // of the text: the tokens before the tail, without the dot between
  Tail tail_ = Tail::everything;
  bool has_stars_ = false;  // in the head
};

}  // namespace headrace::core
